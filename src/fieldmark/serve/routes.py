"""The routes of the HTTP interface: each turns a request into a call of the service, and nothing more."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool

from fieldmark.serve import documentation
from fieldmark.serve.answers import (
    ClassesAnswer,
    ExplainAnswer,
    FeedbackAnswer,
    ModelsAnswer,
    PredictAnswer,
    ReloadAnswer,
    StateAnswer,
)
from fieldmark.serve.documentation import described
from fieldmark.serve.metrics import CONTENT_TYPE
from fieldmark.serve.pictures import Upload, shown_name
from fieldmark.serve.service import LONGEST_LABEL, LONGEST_NOTE, RecognitionService, Said

Model = Annotated[
    str | None,
    Query(max_length=200, description="The model, as NAME or NAME@VERSION; by default the first.", examples=["birds"]),
]
Picture = Annotated[UploadFile, File(description="The picture's file.")]
Label = Annotated[str, Form(max_length=LONGEST_LABEL, description="What it is; empty for none of the classes.")]

#: The SHA-256 of a file in hex, or nothing.
_HASH = r"^([0-9a-f]{64})?$"


def make_routes(service: RecognitionService) -> APIRouter:
    """Return the routes of a service."""
    router = APIRouter()
    _add_recognition(router, service)
    _add_feedback(router, service)
    _add_listings(router, service)
    _add_operation(router, service)
    return router


def _add_recognition(router: APIRouter, service: RecognitionService) -> None:
    @router.post("/v1/predict", tags=["recognition"], responses=described(documentation.PREDICTED, body=True))
    async def predict(
        files: Annotated[list[UploadFile], File(description="One or more pictures' files.")],
        model: Model = None,
        maps: Annotated[bool, Query(description="Add the parts' maps, for drawing.")] = False,
        neighbours: Annotated[int, Query(ge=0, le=20, description="Nearest training pictures to add.")] = 0,
    ) -> PredictAnswer:
        """Name what pictures show. One that can't be read has its reason in its place; the others are answered."""
        uploads = [await _read(file, number) for number, file in enumerate(files, start=1)]
        return await service.predict(uploads, model, with_maps=maps, neighbours=neighbours)

    @router.post("/v1/explain", tags=["recognition"], responses=described(documentation.EXPLAINED, body=True))
    async def explain(
        file: Picture,
        versus: Annotated[
            str | None,
            Query(
                max_length=LONGEST_LABEL, description="The class to compare with; by default the second most probable."
            ),
        ] = None,
        verify: Annotated[bool, Query(description="Take each part out of the picture, too, and measure.")] = True,
        model: Model = None,
    ) -> ExplainAnswer:
        """Say why a picture is one class and not another, part by part."""
        return await service.explain(await _read(file, 1), versus, model, verify=verify)


def _add_feedback(router: APIRouter, service: RecognitionService) -> None:
    @router.post("/v1/feedback", tags=["feedback"], responses=described(documentation.KEPT, body=True))
    async def feedback(
        request: Request,
        label: Label = "",
        predicted: Annotated[str, Form(max_length=LONGEST_LABEL, description="What it was called.")] = "",
        note: Annotated[str, Form(max_length=LONGEST_NOTE, description="Whatever else there is to say.")] = "",
        sha256: Annotated[
            str, Form(pattern=_HASH, description="The picture's hash as /v1/predict told it, if the file isn't sent.")
        ] = "",
        file: Annotated[
            UploadFile | None, File(description="The picture's file, so that it can be trained on.")
        ] = None,
        model: Model = None,
    ) -> FeedbackAnswer:
        """Keep a correction. It is on the disk when this answers."""
        said = Said(label, predicted, note, sha256, sender=str(getattr(request.state, "caller", "")))
        return await service.keep_feedback(said, None if file is None else await _read(file, 1), model)


def _add_listings(router: APIRouter, service: RecognitionService) -> None:
    @router.get("/v1/classes", tags=["models"], responses=described(documentation.CLASSES))
    async def classes(model: Model = None) -> ClassesAnswer:
        """List the classes that a model knows."""
        return service.classes(model)

    @router.get("/v1/models", tags=["models"], responses=described(documentation.MODELS))
    async def models() -> ModelsAnswer:
        """List what is being served, and what the service allows."""
        return service.models()

    @router.post("/v1/reload", tags=["models"], responses=described(documentation.RELOADED, body=True))
    async def reload(model: Model = None) -> ReloadAnswer:
        """Load bundles anew and exchange those that changed, without dropping a request. Needs a key."""
        return await run_in_threadpool(service.reload, model)


def _add_operation(router: APIRouter, service: RecognitionService) -> None:
    @router.get("/healthz", tags=["operation"], responses={200: {"content": _json(documentation.STATE)}})
    async def healthz() -> StateAnswer:
        """Say that the process lives."""
        return StateAnswer("ok")

    @router.get(
        "/readyz",
        tags=["operation"],
        responses={
            200: {"content": _json(documentation.STATE)},
            503: {"model": StateAnswer, "description": "Not now."},
        },
    )
    async def readyz(response: Response) -> StateAnswer:
        """Say whether requests are taken."""
        if service.ready:
            return StateAnswer("ok")
        response.status_code = 503
        return StateAnswer("stopping")

    @router.get(
        "/metrics", tags=["operation"], response_class=Response, responses={200: {"content": {"text/plain": {}}}}
    )
    async def metrics() -> Response:
        """Return the service's figures for Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)


async def _read(file: UploadFile, number: int) -> Upload:
    return Upload(shown_name(file.filename, number), await file.read())


def _json(example: object) -> dict[str, object]:
    return {"application/json": {"example": example}}
