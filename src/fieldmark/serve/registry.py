"""The bundles that are being served, by name; a new one takes the place of an old one without dropping a request."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.errors import ConfigError, FieldmarkError, unknown_name
from fieldmark.serve.answers import ModelVersion, ReloadAnswer
from fieldmark.serve.refusals import Closing, NotThere
from fieldmark.serve.served_model import ModelSource, ServedModel, bundle_stamp, bundle_version

_LOG = logging.getLogger("fieldmark.serve")

#: What loads a bundle.
LoadModel = Callable[[ModelSource], ServedModel]


@dataclass
class _Lent:
    """A model with the number of requests that use it; it is closed when it is retired and none does."""

    served: ServedModel
    users: int = 0
    retired: bool = False


@dataclass
class _Place:
    """A name, where its bundle is, what is loaded of it, and how its files looked then."""

    source: ModelSource
    lent: _Lent
    stamp: object = field(default=None)


class Registry:
    """Loads bundles, lends them to requests, and exchanges those that changed.

    Args:
        sources: the bundles and their names; the first answers where no model is named.
        load: loads one.
        watch_s: seconds between looks for changed bundles; 0 never looks.
        on_reload: told of every reload: the model's name and whether it succeeded.

    Raises:
        BundleError: one of them can't be loaded.
        ConfigError: no bundle, or two of one name.
    """

    def __init__(
        self,
        sources: Sequence[ModelSource],
        load: LoadModel,
        *,
        watch_s: float = 0.0,
        on_reload: Callable[[str, bool], None] = lambda _name, _succeeded: None,
    ) -> None:
        names = [source.name for source in sources]
        if not names or len(set(names)) < len(names):
            raise ConfigError("Every bundle needs a name of its own.", "Name bundles as NAME=FOLDER.")
        self._load = load
        self._on_reload = on_reload
        self._lock = threading.Lock()
        self._reloading = threading.Lock()
        self._closing = threading.Event()
        self._places: dict[str, _Place] = {}
        for source in sources:
            stamp = bundle_stamp(source.path)
            self._places[source.name] = _Place(source, _Lent(load(source)), stamp)
        self._watch_s = watch_s
        self._watcher = threading.Thread(target=self._watch, name="fieldmark-watch", daemon=True)
        if watch_s:
            self._watcher.start()

    def models(self) -> list[ServedModel]:
        """Return what is being served, the default first."""
        with self._lock:
            return [place.lent.served for place in self._places.values()]

    @contextmanager
    def lend(self, name: str | None = None) -> Iterator[ServedModel]:
        """Lend a model for one request: it isn't put away before it is given back.

        Args:
            name: its name, or ``NAME@VERSION``; ``None`` is the default.

        Raises:
            NotThere: there is no such model, or another version of it.
            Closing: the service is stopping.
        """
        lent = self._take(name)
        try:
            yield lent.served
        finally:
            self._give_back(lent)

    def reload(self, name: str | None = None, *, only_changed: bool = False) -> ReloadAnswer:
        """Load bundles anew and exchange those that changed; what can't be loaded leaves the old one in place.

        Args:
            name: one of them; ``None`` is all.
            only_changed: look only at those whose files look otherwise than when they were loaded.

        Raises:
            NotThere: there is no such model.
        """
        if name is not None and name not in self._places:
            raise self._unknown(name)
        reloaded: list[ModelVersion] = []
        unchanged: list[ModelVersion] = []
        failed: list[str] = []
        with self._reloading:
            for place in list(self._places.values()):
                if name not in (None, place.source.name) or (only_changed and not self._looks_changed(place)):
                    continue
                before = place.lent.served
                try:
                    self._exchange(place)
                except (FieldmarkError, OSError) as error:
                    failed.append(place.source.name)
                    self._on_reload(place.source.name, False)
                    _LOG.error("reload", extra={"facts": {"model": place.source.name, "reason": str(error)}})
                    continue
                changed = place.lent.served is not before
                (reloaded if changed else unchanged).append(place.lent.served.model)
        return ReloadAnswer(tuple(reloaded), tuple(unchanged), tuple(failed))

    def close(self, timeout: float | None = None) -> bool:
        """Lend no more, answer what was accepted, and stop; return whether that was done in time."""
        self._closing.set()
        if self._watcher.is_alive():
            self._watcher.join(timeout)
        done = [served.close(timeout) for served in self.models()]  # all of them, whether or not the first is in time
        return all(done)

    def _take(self, name: str | None) -> _Lent:
        if self._closing.is_set():
            raise Closing("The service is stopping.", "Try again in a moment.", retry_after=1.0)
        plain, _, version = (name or next(iter(self._places))).partition("@")
        with self._lock:
            if plain not in self._places:
                raise self._unknown(plain)
            lent = self._places[plain].lent
            served = lent.served.model.version
            if version and version != served:
                raise NotThere(f"{plain} has version {served}, not {version[:12]}.", "Leave the version out.")
            lent.users += 1
            return lent

    def _give_back(self, lent: _Lent) -> None:
        with self._lock:
            lent.users -= 1
            idle = lent.retired and lent.users == 0
        if idle:
            threading.Thread(target=lent.served.close, name="fieldmark-retire", daemon=True).start()

    def _exchange(self, place: _Place) -> None:
        stamp = bundle_stamp(place.source.path)
        if bundle_version(place.source.path) == place.lent.served.model.version:
            place.stamp = stamp
            return
        fresh = _Lent(self._load(place.source))
        with self._lock:
            old, place.lent, place.stamp = place.lent, fresh, stamp
            old.retired = True
            idle = old.users == 0
        if idle:
            old.served.close()
        self._on_reload(place.source.name, True)
        version = fresh.served.model.version
        _LOG.info("reload", extra={"facts": {"model": place.source.name, "version": version}})

    def _looks_changed(self, place: _Place) -> bool:
        try:
            return bundle_stamp(place.source.path) != place.stamp
        except (FieldmarkError, OSError):
            return False  # it is being exchanged just now

    def _watch(self) -> None:
        before: dict[str, object] = {}
        while not self._closing.wait(self._watch_s):
            for place in list(self._places.values()):
                stamp = self._stamp(place.source.path)
                settled = stamp is not None and stamp == before.get(place.source.name)
                before[place.source.name] = stamp
                if settled and stamp != place.stamp:
                    self.reload(place.source.name)
                    if stamp != place.stamp:
                        place.stamp = stamp  # it can't be loaded; the next change is tried again

    def _stamp(self, path: Path) -> object:
        with contextlib.suppress(FieldmarkError, OSError):
            return bundle_stamp(path)
        return None

    def _unknown(self, name: str) -> NotThere:
        error = unknown_name("model", name[:80], self._places)
        return NotThere(error.message, error.cure)
