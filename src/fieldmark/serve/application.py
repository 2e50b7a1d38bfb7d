"""The application: routes, page and errors around a service, behind the gate."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

import fieldmark
from fieldmark.errors import FieldmarkError
from fieldmark.serve.documentation import DESCRIPTION
from fieldmark.serve.faults import code_of, fault, headers_of, status_of
from fieldmark.serve.feedback import FeedbackStore
from fieldmark.serve.gate import Gate
from fieldmark.serve.keys import ApiKeys
from fieldmark.serve.metrics import ServiceMetrics
from fieldmark.serve.registry import LoadModel
from fieldmark.serve.routes import make_routes
from fieldmark.serve.served_model import ModelSource, load_served_model
from fieldmark.serve.service import RecognitionService
from fieldmark.serve.settings import ServiceSettings

_LOG = logging.getLogger("fieldmark.serve")

#: The page's files.
STATIC = Path(__file__).parent / "static"

#: What Starlette says of a request → our word for it.
_CODES = {400: "bad_request", 404: "not_there", 405: "wrong_method"}


def create_app(
    runs: Mapping[str, Path | str] | Path | str,
    *,
    settings: ServiceSettings | None = None,
    keys: ApiKeys | None = None,
    feedback: FeedbackStore | None = None,
    cache: Path | str | None = None,
    engine: str = "torch",
    device: str = "cpu",
) -> FastAPI:
    """Load bundles and return an application that serves them, for any ASGI server.

    The bundles are loaded before this returns. When the server shuts the application down, accepted work is finished.

    Args:
        runs: a run's folder or a bundle; or several by name, of which the first answers where none is named.
        settings: what the service allows.
        keys: the keys that it takes; ``None`` lets everyone in.
        feedback: where corrections are kept; ``None`` keeps none.
        cache: folder of decoded pictures, where training pictures for explanations are looked for; ``None`` looks for
            none.
        engine: what runs the networks, as ``load_predictor`` names it, such as ``"onnx"`` of an exported run.
        device: where networks run, as torch names it.

    Returns:
        The application; ``app.state.service`` is what answers.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        ConfigError: an unknown engine or device, or no bundle at all.
    """
    settings = settings or ServiceSettings()
    load = partial(
        _loader, settings=settings, engine=engine, device=device, cache=None if cache is None else Path(cache)
    )
    service = RecognitionService(_sources(runs), load, settings, feedback)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="Fieldmark",
        version=fieldmark.__version__,
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere; /docs is ours
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.include_router(make_routes(service))
    _add_page(app)
    _add_errors(app)
    app.add_middleware(Gate, settings=settings, metrics=service.metrics, keys=keys, wait_for=service.wait_for)
    return app


def model_name(run: Path) -> str:
    """Return what a run is called where it is given no name: its folder, of a bundle inside a run the run's."""
    folder = run.resolve()
    return folder.parent.name if folder.name == "bundle" else folder.name


def _sources(runs: Mapping[str, Path | str] | Path | str) -> list[ModelSource]:
    if isinstance(runs, Mapping):
        return [ModelSource(name, Path(path)) for name, path in runs.items()]
    return [ModelSource(model_name(Path(runs)), Path(runs))]


def _loader(
    metrics: ServiceMetrics, *, settings: ServiceSettings, engine: str, device: str, cache: Path | None
) -> LoadModel:
    return partial(
        load_served_model, settings=settings, engine=engine, device=device, cache=cache, observe=metrics.batch
    )


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(STATIC / "docs.html")

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> FileResponse:
        return FileResponse(STATIC / "icon.svg")

    app.mount("/static", StaticFiles(directory=STATIC), name="static")


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(FieldmarkError)
    async def refused(request: Request, error: FieldmarkError) -> JSONResponse:
        request.app.state.service.metrics.refused(code_of(error))
        if status_of(error) == 503 and code_of(error) == "unavailable":
            _LOG.error("unavailable", extra={"facts": {"reason": str(error)}})
            return JSONResponse(fault("unavailable", "This can't be done just now.", "Try again later."), 503)
        body = fault(code_of(error), error.message, error.cure)
        return JSONResponse(body, status_of(error), headers=headers_of(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        return JSONResponse(fault("bad_request", f"{where}: {first['msg']}.", "See /docs."), 422)

    @app.exception_handler(HTTPException)
    async def not_served(_request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "refused")
        body = fault(code, f"{error.detail}.".replace("..", "."), "See /docs.")
        return JSONResponse(body, error.status_code, headers=error.headers)
