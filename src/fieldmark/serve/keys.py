"""API keys: made once, shown once, kept only as hashes.

A file of keys has one line a key, ``NAME SHA256``; empty lines and lines that begin with ``#`` are left out. A key has
256 random bits, so a plain hash can't be turned back.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from fieldmark.errors import ConfigError
from fieldmark.serve.refusals import KeyMissing

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HASH = re.compile(r"[0-9a-f]{64}")

#: What a key begins with, so that it is known for one where it is found.
_PREFIX = "fm_"


class ApiKeys:
    """The keys that a service takes.

    Args:
        hashes: the name of a key's owner → SHA-256 of the key, in hex.
    """

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = dict(hashes)

    def __len__(self) -> int:
        return len(self._hashes)

    def owner(self, key: str | None) -> str:
        """Return whose key it is.

        Raises:
            KeyMissing: there is none, or it isn't known.
        """
        if key is None:
            raise KeyMissing("This service wants a key.", "Send it as: Authorization: Bearer KEY.")
        given = _hashed(key)
        found = [name for name, known in self._hashes.items() if hmac.compare_digest(known, given)]
        if not found:
            raise KeyMissing("This key isn't known.", "Ask whoever runs the service for one.")
        return found[0]


def load_keys(path: Path) -> ApiKeys:
    """Read a file of keys.

    Raises:
        ConfigError: there is no such file, a line of it isn't a key, or it holds none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The keys {path} can't be read.", f"Make one: {_make(path)}") from error
    hashes: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, digest = line.strip().partition(" ")
        if not _NAME.fullmatch(name) or not _HASH.fullmatch(digest):
            raise ConfigError(f"Line {number} of {path} is no key.", "Write it as: NAME SHA256-OF-THE-KEY.")
        hashes[name] = digest
    if not hashes:
        raise ConfigError(f"{path} holds no key.", f"Make one: {_make(path)}")
    return ApiKeys(hashes)


def add_key(path: Path, name: str) -> str:
    """Make a key, add its hash to a file, and return the key: nothing else ever holds it.

    Args:
        path: the file of keys; it is made where it is missing, readable by its owner alone.
        name: whose key it is: letters, digits, ``.``, ``_`` and ``-``.

    Raises:
        ConfigError: the name isn't such a name, or has a key already.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} can't name a key.", "Use letters, digits, dots, dashes; at most 64.")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if any(line.startswith(f"{name} ") for line in text.splitlines()):
        raise ConfigError(f"{name} has a key already.", f"Use another name, or delete its line in {path}.")
    key = _PREFIX + secrets.token_urlsafe(32)
    end = "" if not text or text.endswith("\n") else "\n"
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{text}{end}{name} {_hashed(key)}\n")
    partial.replace(path)
    return key


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _make(path: Path) -> str:
    return f"fieldmark serve-key NAME --keys {path}"
