"""Which status an error has in HTTP, and how it is told."""

import json
from collections.abc import Mapping
from dataclasses import asdict

from fieldmark.errors import FieldmarkError
from fieldmark.serve.answers import Fault, FaultAnswer
from fieldmark.serve.refusals import (
    BadPicture,
    BadRequest,
    Busy,
    Closing,
    Forbidden,
    KeyMissing,
    Late,
    NotThere,
    Refusal,
    TooLarge,
    TooMany,
    TooSlow,
)

#: Refusal → status (RFC 9110; 429 of RFC 6585).
STATUSES: dict[type[Refusal], int] = {
    BadPicture: 422,
    BadRequest: 422,
    Busy: 503,
    Closing: 503,
    Forbidden: 403,
    KeyMissing: 401,
    Late: 503,
    NotThere: 404,
    TooLarge: 413,
    TooMany: 429,
    TooSlow: 408,
}

#: What a fault of the machine's, such as a full disk, has for a status: trying again may help.
_UNAVAILABLE = 503


def status_of(error: FieldmarkError) -> int:
    """Return the status of an error."""
    return STATUSES.get(type(error), _UNAVAILABLE) if isinstance(error, Refusal) else _UNAVAILABLE


def code_of(error: FieldmarkError) -> str:
    """Return the word for an error."""
    return error.code if isinstance(error, Refusal) else "unavailable"


def headers_of(error: FieldmarkError) -> dict[str, str]:
    """Return what a client is told beside the body: when to try again, how to show a key."""
    headers = {}
    if isinstance(error, Refusal) and error.retry_after is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    if isinstance(error, KeyMissing):
        headers["www-authenticate"] = "Bearer"
    return headers


def fault(code: str, message: str, cure: str = "") -> Mapping[str, object]:
    """Return the body of an answer that is none."""
    return asdict(FaultAnswer(Fault(code, message, cure)))


def fault_bytes(error: FieldmarkError) -> bytes:
    """Return the body for an error, as JSON."""
    return json.dumps(fault(code_of(error), error.message, error.cure), ensure_ascii=False).encode()
