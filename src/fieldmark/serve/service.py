"""The service's four steps - load, decode, predict, encode - without HTTP."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from fieldmark.errors import BrokenImageError, FieldmarkError
from fieldmark.serve.admission import Places
from fieldmark.serve.answers import (
    ClassAnswer,
    ClassesAnswer,
    ExplainAnswer,
    FeedbackAnswer,
    ModelsAnswer,
    Neighbour,
    PictureAnswer,
    PredictAnswer,
    ReloadAnswer,
    ServedModelAnswer,
)
from fieldmark.serve.encoding import broken_answer, explain_answer, picture_answer
from fieldmark.serve.feedback import Correction, FeedbackStore, picture_hash
from fieldmark.serve.metrics import ServiceMetrics
from fieldmark.serve.pictures import DecodedUpload, Upload, decode_upload, ending_of
from fieldmark.serve.refusals import BadPicture, BadRequest, Late, NotThere, Refusal, TooLarge
from fieldmark.serve.registry import LoadModel, Registry
from fieldmark.serve.served_model import ExplainJob, ModelSource, Seen, ServedModel
from fieldmark.serve.settings import ServiceSettings

Result = TypeVar("Result")

#: Letters of a class's name and of a note that are taken.
LONGEST_LABEL, LONGEST_NOTE = 200, 2000

#: Seconds after which a caller may ask again for what took too long.
_AFTER_LATE = 5.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a user says of a picture.

    Attributes:
        label: what it is; empty for none of the classes.
        predicted: what it was called; empty where that isn't known.
        note: whatever else.
        sha256: of the picture's file, in hex, where the file isn't sent along.
        sender: whose key it was.
    """

    label: str
    predicted: str
    note: str
    sha256: str
    sender: str


class RecognitionService:
    """Answers requests with bundles that were loaded once.

    Args:
        sources: the bundles, the default first.
        load: loads one; told of the metrics' observer by whoever makes it.
        settings: what is allowed.
        feedback: where corrections are kept; ``None`` keeps none.

    Raises:
        BundleError: a bundle can't be loaded.
        ConfigError: no bundle, or two of one name.
    """

    def __init__(
        self,
        sources: Sequence[ModelSource],
        load: Callable[["ServiceMetrics"], LoadModel],
        settings: ServiceSettings,
        feedback: FeedbackStore | None = None,
    ) -> None:
        self.settings = settings
        self.ready = False
        self.metrics = ServiceMetrics(self._waiting, lambda: self.ready)
        self._feedback = feedback
        self._decoders = ThreadPoolExecutor(settings.decoders, thread_name_prefix="fieldmark-decode")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="fieldmark-feedback")
        self._pictures = Places(settings.queue, "pictures")
        self._to_explain = Places(settings.explain_queue, "explanations")
        self._registry = Registry(sources, load(self.metrics), watch_s=settings.watch_s, on_reload=self.metrics.reload)
        self.ready = True

    async def predict(
        self, uploads: Sequence[Upload], model: str | None, *, with_maps: bool = False, neighbours: int = 0
    ) -> PredictAnswer:
        """Say what pictures show; a picture that can't be read has its reason in its place.

        Args:
            uploads: the files, in order.
            model: whose answer is wanted, ``NAME`` or ``NAME@VERSION``; ``None`` is the default.
            with_maps: add the parts' maps.
            neighbours: how many of the nearest training pictures to add.

        Raises:
            Refusal: there are too many pictures, no such model, no room in the queue, or no time.
        """
        self._check_count(uploads)
        with (
            self._registry.lend(model) as served,
            self._pictures.taken(len(uploads), retry_after=served.expected_wait()),
        ):
            async with self._in_time():
                decoded = await self._decode(uploads, served)
                seen = await self._see(served, decoded)
                near = partial(served.neighbours, count=neighbours)
                answers = await self._off(self._decoders, _encode, decoded, seen, near, with_maps)
        for answer in answers:
            self.metrics.picture(broken=answer.error is not None)
        return PredictAnswer(served.model, tuple(answers))

    async def explain(self, upload: Upload, versus: str | None, model: str | None, *, verify: bool) -> ExplainAnswer:
        """Say why a picture is called A and not B.

        Args:
            upload: the file.
            versus: B; ``None`` is the second most probable class.
            model: whose answer is wanted; ``None`` is the default.
            verify: take each part out of the picture, too, and measure.

        Raises:
            Refusal: the picture can't be decoded, there is no such model or class, no room in the queue, or no time.
        """
        with self._registry.lend(model) as served, self._to_explain.taken(1, retry_after=served.expected_wait()):
            async with self._in_time():
                (decoded,) = await self._decode([upload], served)
                if decoded.fitted is None:
                    raise BadPicture(
                        f"The picture can't be explained: {decoded.error}.", "Send one that can be opened."
                    )
                job = ExplainJob(upload.data, versus, verify)
                try:
                    found = await asyncio.wrap_future(served.explain(job))
                except BrokenImageError as error:
                    raise BadPicture(error.message, error.cure) from error
                except FieldmarkError as error:
                    raise _as_bad_request(error) from error
                return explain_answer(found, served.model, upload.name)

    async def keep_feedback(self, said: Said, upload: Upload | None, model: str | None) -> FeedbackAnswer:
        """Keep a correction; it is on the disk when this returns.

        Raises:
            Refusal: nothing is kept here, there is no such model, or the correction can't be understood.
            DataError: it can't be written.
        """
        store = self._feedback
        if store is None:
            raise NotThere(
                "Corrections are not kept here.", "Ask whoever runs the service: fieldmark serve --feedback."
            )
        label, predicted = _plain(said.label, "label"), _plain(said.predicted, "predicted")
        note = _plain(said.note, "note", LONGEST_NOTE)
        with self._registry.lend(model) as served:
            if upload is not None:
                (decoded,) = await self._decode([upload], served)
                if decoded.fitted is None:
                    raise BadPicture(f"The picture can't be kept: {decoded.error}.", "Send one that can be opened.")
            correction = Correction(
                model=served.model.name,
                version=served.model.version,
                sha256=picture_hash(upload.data) if upload is not None else said.sha256,
                predicted=predicted or None,
                label=label or None,
                note=note,
                sender=said.sender,
            )
            picture = None if upload is None else (upload.data, ending_of(upload.data))
            stored = await self._off(self._writer, store.append, correction, picture)
        self.metrics.feedback()
        return FeedbackAnswer(stored.id, stored.picture is not None)

    def wait_for(self, route: str) -> float | None:
        """Return the seconds after which a route may have room again; ``None`` where it has, or needs none."""
        places = {"/v1/predict": self._pictures, "/v1/explain": self._to_explain}.get(route)
        if places is None or places.free:
            return None
        return max((served.expected_wait() for served in self._registry.models()), default=1.0)

    def classes(self, model: str | None) -> ClassesAnswer:
        """Return the classes that a model knows.

        Raises:
            NotThere: there is no such model.
        """
        with self._registry.lend(model) as served:
            info = served.info
            classes = tuple(ClassAnswer(name, tuple(info.lineage.get(name, (name,)))) for name in info.classes)
            return ClassesAnswer(served.model, tuple(info.rank_names), classes)

    def models(self) -> ModelsAnswer:
        """Return what is being served."""
        return ModelsAnswer(
            models=tuple(_describe(served, default=not place) for place, served in enumerate(self._registry.models())),
            feedback=self._feedback is not None,
            pictures_kept=self._feedback is not None and self._feedback.keep_pictures,
            max_files=self.settings.max_files,
            max_request_bytes=self.settings.max_request_bytes,
            max_pixels=self.settings.max_pixels,
        )

    def reload(self, model: str | None = None) -> ReloadAnswer:
        """Load bundles anew and exchange those that changed; no request is dropped.

        Raises:
            NotThere: there is no such model.
        """
        return self._registry.reload(model)

    def close(self) -> bool:
        """Answer what was accepted, then stop; return whether that was done in time."""
        self.ready = False
        done = self._registry.close(self.settings.shutdown_s)
        self._decoders.shutdown(wait=True, cancel_futures=True)
        self._writer.shutdown(wait=True)
        if self._feedback is not None:
            self._feedback.close()
        return done

    async def _decode(self, uploads: Sequence[Upload], served: ServedModel) -> list[DecodedUpload]:
        wanted, most = served.info.preprocessing, self.settings.max_pixels
        return list(
            await asyncio.gather(
                *(self._off(self._decoders, decode_upload, upload, wanted, most) for upload in uploads)
            )
        )

    async def _see(self, served: ServedModel, decoded: Sequence[DecodedUpload]) -> list[Seen | None]:
        """Return what the network says of each picture; ``None`` of the broken ones."""
        queued = [served.predict(one.fitted) for one in decoded if one.fitted is not None]
        seen = iter(await asyncio.gather(*(asyncio.wrap_future(future) for future in queued)))
        return [None if one.fitted is None else next(seen) for one in decoded]

    def _check_count(self, uploads: Sequence[Upload]) -> None:
        if not uploads:
            raise BadRequest("There is no picture in the request.", "Send one or more files in the field files.")
        if len(uploads) > self.settings.max_files:
            raise TooLarge(
                f"{len(uploads)} pictures are more than the {self.settings.max_files} that one request may hold.",
                "Send them in several requests.",
            )

    def _in_time(self) -> "_InTime":
        return _InTime(self.settings.timeout_s)

    async def _off(self, pool: ThreadPoolExecutor, work: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(pool, partial(work, *arguments))

    def _waiting(self) -> dict[str, dict[str, int]]:
        return {served.model.name: served.waiting for served in self._registry.models()}


class _InTime:
    """A time limit whose end is a refusal."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._limit = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()

    async def __aexit__(self, *failure: object) -> None:
        try:
            await self._limit.__aexit__(*failure)  # type: ignore[arg-type]
        except TimeoutError as error:
            message = f"The answer took longer than {self._seconds:g} s."
            raise Late(message, "Try again.", retry_after=_AFTER_LATE) from error


def _encode(
    decoded: Sequence[DecodedUpload],
    seen: Sequence[Seen | None],
    near: Callable[[Seen], tuple[Neighbour, ...]],
    with_maps: bool,
) -> list[PictureAnswer]:
    answers = []
    for one, found in zip(decoded, seen, strict=True):
        name, sha256 = one.upload.name, picture_hash(one.upload.data)
        if one.fitted is None or found is None:
            answers.append(broken_answer(source=name, sha256=sha256, error=one.error or "can't be decoded"))
            continue
        answers.append(
            picture_answer(
                found.prediction,
                found.outputs.maps[0],
                one.fitted,
                source=name,
                sha256=sha256,
                neighbours=near(found),
                with_maps=with_maps,
            )
        )
    return answers


def _describe(served: ServedModel, *, default: bool) -> ServedModelAnswer:
    return ServedModelAnswer(
        name=served.model.name,
        version=served.model.version,
        default=default,
        classes=len(served.info.classes),
        resolution=served.info.preprocessing.resolution,
        parts=tuple(served.info.part_names),
        exact=served.exact,
        coverage=served.coverage,
        loaded=served.loaded,
    )


def _plain(text: str, field: str, longest: int = LONGEST_LABEL) -> str:
    """Return a user's text without blanks around it.

    Raises:
        BadRequest: it is too long, or holds what can't be shown or written.
    """
    kept = text.strip()
    if len(kept) > longest:
        raise BadRequest(f"The {field} has {len(kept):,} letters.", f"Use {longest:,} or fewer.")
    if not all(char.isprintable() or (char == "\n" and longest == LONGEST_NOTE) for char in kept):
        raise BadRequest(f"The {field} holds letters that can't be shown.", "Send plain text.")
    return kept


def _as_bad_request(error: FieldmarkError) -> FieldmarkError:
    return error if isinstance(error, Refusal) else BadRequest(error.message, error.cure)
