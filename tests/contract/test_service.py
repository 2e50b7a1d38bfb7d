"""What the HTTP interface promises, asked of the whole application without a network between."""

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from PIL import Image

from fieldmark.explain import field_marks
from fieldmark.predict import load_predictor
from fieldmark.serve import FeedbackStore, ServiceSettings, create_app
from fieldmark.serve.gate import POLICY
from fieldmark.serve.keys import ApiKeys, add_key, load_keys
from hostile_files import encoded, make_hostile_files

httpx = pytest.importorskip("httpx2", reason="httpx2 isn't installed (make install)")

Result = TypeVar("Result")

SETTINGS = ServiceSettings(max_pixels=100_000, max_request_bytes=300_000, max_files=4, watch_s=0)
PICTURE = encoded("PNG", seed=1)


def ask(app: object, talk: "Callable[[httpx.AsyncClient], Awaitable[Result]]") -> Result:
    """Talk to an application as a client does; its own faults are answers, as they are over a network."""

    async def conversation() -> Result:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as client:
            return await talk(client)

    return asyncio.run(conversation())


def post(app: object, path: str, *files: bytes, field: str = "files", **more: object) -> "httpx.Response":
    parts = [(field, (f"{number}.png", data)) for number, data in enumerate(files)]
    return ask(app, lambda client: client.post(path, files=parts, **more))


def get(app: object, path: str, **more: object) -> "httpx.Response":
    return ask(app, lambda client: client.get(path, **more))


@pytest.fixture
def app(quadrant_run: Path, tmp_path: Path) -> object:
    return create_app(quadrant_run, settings=SETTINGS, feedback=FeedbackStore(tmp_path / "said", keep_pictures=True))


def code(answer: "httpx.Response") -> tuple[int, str]:
    body = answer.json()["error"]
    assert set(body) == {"code", "message", "cure"}
    assert body["message"]
    return answer.status_code, body["code"]


def test_predictions_are_those_of_the_predictor(app: object, quadrant_run: Path) -> None:
    pictures = [encoded(form, seed=seed) for seed, form in enumerate(("PNG", "JPEG", "WEBP"))]
    found = post(app, "/v1/predict", *pictures).json()
    expected = load_predictor(quadrant_run)(pictures)
    for row, wanted in zip(found["predictions"], expected, strict=True):
        assert row["label"] == wanted.label
        assert row["probability"] == pytest.approx(wanted.probability, abs=1e-5)
        assert [part["evidence"] for part in row["parts"]] == pytest.approx(
            [part.evidence for part in wanted.evidence], abs=1e-4
        )
        assert row["size"] == [48, 36]
    assert [row["source"] for row in found["predictions"]] == ["0.png", "1.png", "2.png"]


def test_a_broken_picture_is_a_row_among_the_others(app: object) -> None:
    answer = post(app, "/v1/predict", PICTURE, b"no picture", PICTURE)
    rows = answer.json()["predictions"]
    assert answer.status_code == 200
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert rows[1]["label"] is None


def test_explanations_are_those_of_field_marks(app: object, quadrant_run: Path) -> None:
    for versus in (None, "Barred Thornfinch", "Plain Thornfinch", "Rufous Thornfinch"):
        answer = post(app, "/v1/explain", PICTURE, field="file", params={"versus": versus} if versus else {})
        if answer.status_code == 422:  # the class that it is called
            assert versus is not None
            assert "itself" in answer.json()["error"]["message"]
            continue
        found, expected = answer.json(), field_marks(quadrant_run, PICTURE, versus)
        assert (found["label"], found["rival"]) == (expected.label, expected.rival)
        assert found["log_odds"] == pytest.approx(expected.log_odds, abs=1e-4)
        by_part = {mark.part: mark for mark in expected.marks}
        assert {mark["part"] for mark in found["marks"]} == set(by_part)
        for mark in found["marks"]:
            assert mark["difference"] == pytest.approx(by_part[mark["part"]].difference, abs=1e-4)
        total = sum(mark["difference"] for mark in found["marks"]) + found["bias_difference"]
        assert total == pytest.approx(found["log_odds"], abs=1e-4)


def test_training_pictures_of_the_rival_stand_beside_the_parts(quadrant_run: Path, tmp_path: Path) -> None:
    app = create_app(quadrant_run, settings=SETTINGS, cache=tmp_path / "cache")
    (served,) = app.state.service._registry.models()
    assert served._shelf.wait(60)
    found = post(app, "/v1/explain", PICTURE, field="file").json()
    examples = [one for mark in found["marks"] for one in mark["examples"]]
    assert examples
    assert {one["label"] for one in examples} == {found["rival"]}
    assert all(one["thumbnail"].startswith("data:image/jpeg;base64,") for one in examples)
    assert {one["label"] for one in found["alike"]} == {found["rival"]}
    assert all(one["thumbnail"].startswith("data:image/jpeg;base64,") for one in found["alike"])
    assert found["beside"].startswith("data:image/jpeg;base64,")
    assert str(quadrant_run.parent) not in json.dumps(found)  # nothing says where pictures lie


def test_the_nearest_training_pictures_come_when_they_are_asked_for(quadrant_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(quadrant_run, tmp_path / "run"))  # what the network sees is kept in the run
    app = create_app(run, settings=SETTINGS, cache=tmp_path / "cache")
    (served,) = app.state.service._registry.models()
    assert served._near.wait(60)
    own = next(path for path in (quadrant_run.parent / "pictures").iterdir() if path.name == "Plain0.png")
    (row,) = post(app, "/v1/predict?neighbours=3", own.read_bytes()).json()["predictions"]
    assert len(row["neighbours"]) == 3
    assert row["neighbours"][0]["label"] == "Plain Thornfinch"
    assert row["neighbours"][0]["similarity"] == pytest.approx(1, abs=1e-3)
    assert row["neighbours"][0]["thumbnail"].startswith("data:image/jpeg;base64,")
    assert post(app, "/v1/predict", PICTURE).json()["predictions"][0]["neighbours"] == []


def test_an_exported_run_is_served_by_its_engine_and_explains_the_same(
    tiny_run: Path, quadrant_run: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime isn't installed (make install)")
    pytest.importorskip("onnxscript", reason="onnxscript isn't installed (make install)")
    from fieldmark.export import export_onnx

    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    export_onnx(run, data=quadrant_run.parent / "pictures")
    torch_app, onnx_app = (create_app(run, settings=SETTINGS, engine=engine) for engine in ("torch", "onnx"))
    for path, field, figure in (("/v1/predict", "files", "probability"), ("/v1/explain", "file", "log_odds")):
        first, second = (post(one, path, PICTURE, field=field).json() for one in (torch_app, onnx_app))
        if field == "files":
            first, second = first["predictions"][0], second["predictions"][0]
        assert first["label"] == second["label"]
        assert first[figure] == pytest.approx(second[figure], abs=1e-4)


def test_classes_models_and_state(app: object) -> None:
    classes = get(app, "/v1/classes").json()
    assert [one["name"] for one in classes["classes"]] == ["Plain Thornfinch", "Rufous Thornfinch", "Barred Thornfinch"]
    (model,) = get(app, "/v1/models").json()["models"]
    assert model["default"]
    assert model["parts"][-1] == "rest of the picture"
    assert get(app, "/healthz").json() == get(app, "/readyz").json() == {"state": "ok"}
    assert post(app, f"/v1/predict?model={model['name']}@{model['version']}", PICTURE).status_code == 200
    assert code(post(app, f"/v1/predict?model={model['name']}@000", PICTURE)) == (404, "not_there")
    assert code(get(app, "/v1/classes?model=owls")) == (404, "not_there")


def test_bundles_are_served_side_by_side(quadrant_run: Path, tiny_run: Path) -> None:
    app = create_app({"birds": quadrant_run, "beasts": tiny_run}, settings=SETTINGS)
    assert [one["name"] for one in get(app, "/v1/models").json()["models"]] == ["birds", "beasts"]
    assert post(app, "/v1/predict?model=beasts", PICTURE).json()["model"]["name"] == "beasts"
    assert post(app, "/v1/predict", PICTURE).json()["model"]["name"] == "birds"
    found = post(app, "/v1/explain?model=beasts", PICTURE, field="file").json()
    assert not found["exact"]
    assert found["notes"]


def test_limits_have_their_own_answers(app: object) -> None:
    assert code(post(app, "/v1/predict", *[PICTURE] * 5)) == (413, "too_large")
    assert code(post(app, "/v1/predict", b"x" * 400_000)) == (413, "too_large")
    large = encoded("PNG", image=Image.new("RGB", (400, 300)))
    assert "pixels" in post(app, "/v1/predict", large).json()["predictions"][0]["error"]
    assert code(post(app, "/v1/explain", large, field="file")) == (422, "bad_picture")
    assert code(post(app, "/v1/predict")) == (422, "bad_request")
    assert code(post(app, "/v1/predict", PICTURE, field="pictures")) == (422, "bad_request")
    assert code(post(app, "/v1/explain", PICTURE, field="file", params={"versus": "owl"})) == (422, "bad_request")
    assert code(get(app, "/v1/predict")) == (405, "wrong_method")
    assert code(get(app, "/v1/owls")) == (404, "not_there")
    assert code(get(app, "/static/../gate.py")) == (404, "not_there")
    assert code(get(app, "/static/%2e%2e/gate.py")) == (404, "not_there")


def test_a_body_without_a_length_has_the_same_limit(app: object) -> None:
    async def endless():  # type: ignore[no-untyped-def]
        for _ in range(100):
            yield b"x" * 10_000

    assert code(ask(app, lambda client: client.post("/v1/predict", content=endless()))) == (413, "too_large")


def test_a_body_that_comes_too_slowly_is_given_up(quadrant_run: Path) -> None:
    app = create_app(quadrant_run, settings=ServiceSettings(body_timeout_s=1, watch_s=0))

    async def slow():  # type: ignore[no-untyped-def]
        yield b"--x"
        await asyncio.sleep(10)
        yield b"--x"

    assert code(ask(app, lambda client: client.post("/v1/predict", content=slow()))) == (408, "too_slow")


def test_hostile_files_are_answered_like_the_predictor_does(app: object, tmp_path: Path) -> None:
    made = make_hostile_files(tmp_path / "hostile")
    for name in sorted(made):
        path = tmp_path / "hostile" / name
        if not path.is_file() or path.is_symlink() or path.stat().st_size > 250_000:
            continue
        try:
            data = path.read_bytes()
        except OSError:
            continue
        answer = post(app, "/v1/predict", data)
        assert answer.status_code == 200, name
        error = answer.json()["predictions"][0]["error"]
        if made[name] == "fine":
            assert error is None or "pixels" in error, name
        else:
            assert error, name


def test_corrections_are_kept_with_their_pictures_and_come_back_as_rows(app: object, tmp_path: Path) -> None:
    said = {"label": "Plain Thornfinch", "predicted": "Barred Thornfinch", "note": "by the eye ring"}
    answer = ask(app, lambda client: client.post("/v1/feedback", data=said, files={"file": ("x.png", PICTURE)}))
    assert answer.json() == {"id": 1, "picture_kept": True}
    sha256 = post(app, "/v1/predict", PICTURE).json()["predictions"][0]["sha256"]
    answer = ask(app, lambda client: client.post("/v1/feedback", data={"label": "", "sha256": sha256}))
    assert answer.json() == {"id": 2, "picture_kept": False}
    first, second = FeedbackStore(tmp_path / "said").rows()
    assert first.correction.sha256 == second.correction.sha256 == sha256
    assert (tmp_path / "said" / str(first.picture)).read_bytes() == PICTURE
    assert second.correction.label is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["said"]


def test_corrections_that_make_no_sense_are_not_kept(app: object, tmp_path: Path) -> None:
    def send(**fields: str) -> "httpx.Response":
        return ask(app, lambda client: client.post("/v1/feedback", data=fields))

    assert code(send(label="x" * 300)) == (422, "bad_request")
    assert code(send(label="a\x07b")) == (422, "bad_request")
    assert code(send(sha256="../../etc/passwd")) == (422, "bad_request")
    broken = {"file": ("x.png", b"nothing")}
    assert code(ask(app, lambda client: client.post("/v1/feedback", files=broken))) == (422, "bad_picture")
    assert FeedbackStore(tmp_path / "said").rows() == []


def test_without_a_store_corrections_are_not_taken(quadrant_run: Path) -> None:
    app = create_app(quadrant_run, settings=SETTINGS)
    assert not get(app, "/v1/models").json()["feedback"]
    assert code(ask(app, lambda client: client.post("/v1/feedback", data={"label": "ant"}))) == (404, "not_there")


def test_keys_open_the_api_and_only_with_a_key_are_bundles_reloaded(quadrant_run: Path, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys", "anna")
    store = FeedbackStore(tmp_path / "said")
    app = create_app(quadrant_run, settings=SETTINGS, keys=load_keys(tmp_path / "keys"), feedback=store)
    for path in ("/v1/models", "/metrics"):
        refused = get(app, path)
        assert code(refused) == (401, "key_missing")
        assert refused.headers["www-authenticate"] == "Bearer"
        assert get(app, path, headers={"authorization": f"Bearer {key}"}).status_code == 200
        assert get(app, path, headers={"x-api-key": key}).status_code == 200
        assert code(get(app, path, headers={"x-api-key": key + "x"})) == (401, "key_missing")
    for path in ("/", "/docs", "/healthz", "/readyz", "/static/page.js"):
        assert get(app, path).status_code == 200
    mine = {"x-api-key": key}
    assert ask(app, lambda client: client.post("/v1/reload", headers=mine)).json()["unchanged"]
    ask(app, lambda client: client.post("/v1/feedback", headers=mine, data={"label": "ant"}))
    assert store.rows()[0].correction.sender == "anna"
    assert code(ask(create_app(quadrant_run, settings=SETTINGS), lambda client: client.post("/v1/reload"))) == (
        403,
        "forbidden",
    )


def test_a_caller_who_asks_too_often_waits(quadrant_run: Path) -> None:
    app = create_app(quadrant_run, settings=ServiceSettings(rate_per_minute=8, watch_s=0))

    async def thrice(client: "httpx.AsyncClient") -> list["httpx.Response"]:
        return [await client.get("/v1/models") for _ in range(3)]

    answers = ask(app, thrice)
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.test"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://service"}, 200),
        ({"sec-fetch-site": "same-origin", "origin": "https://behind.a.proxy"}, 200),
        ({}, 200),
    ],
)
def test_another_page_can_not_make_a_browser_send_anything(app: object, headers: dict[str, str], status: int) -> None:
    answer = post(app, "/v1/predict", PICTURE, headers=headers)
    assert answer.status_code == status
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_has_the_security_headers(app: object) -> None:
    for path in ("/", "/v1/models", "/owls", "/static/page.css", "/openapi.json"):
        headers = get(app, path).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == ("no-cache" if path in ("/", "/static/page.css") else "no-store")
        assert "server" not in headers


@pytest.mark.parametrize(("route", "held"), [("/v1/predict", "_pictures"), ("/v1/explain", "_to_explain")])
def test_a_full_queue_refuses_before_it_reads_a_request(quadrant_run: Path, route: str, held: str) -> None:
    app = create_app(quadrant_run, settings=ServiceSettings(queue=4, explain_queue=4, watch_s=0))
    nothing = "neither form nor file"
    assert ask(app, lambda client: client.post(route, content=nothing)).status_code == 422
    with getattr(app.state.service, held).taken(4):
        answer = ask(app, lambda client: client.post(route, content=nothing))
        assert code(answer) == (503, "busy")
        assert int(answer.headers["retry-after"]) >= 1


def test_a_full_queue_answers_503_and_what_was_accepted_is_answered(quadrant_run: Path) -> None:
    app = create_app(quadrant_run, settings=ServiceSettings(queue=4, max_batch=1, max_wait_ms=0, watch_s=0))
    (served,) = app.state.service._registry.models()
    see = served._predictions._work
    served._predictions._work = lambda items: (time.sleep(0.1), see(items))[1]

    async def many(client: "httpx.AsyncClient") -> list["httpx.Response"]:
        files = {"files": ("x.png", PICTURE)}
        return list(await asyncio.gather(*(client.post("/v1/predict", files=files) for _ in range(12))))

    answers = ask(app, many)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 4 + [503] * 8
    for answer in answers:
        if answer.status_code == 503:
            assert code(answer) == (503, "busy")
            assert int(answer.headers["retry-after"]) >= 1


def test_an_answer_that_takes_too_long_is_given_up(quadrant_run: Path) -> None:
    app = create_app(quadrant_run, settings=ServiceSettings(timeout_s=1, watch_s=0))
    (served,) = app.state.service._registry.models()
    see = served._predictions._work
    served._predictions._work = lambda items: (time.sleep(3), see(items))[1]
    assert code(post(app, "/v1/predict", PICTURE)) == (503, "late")


def test_a_mistake_in_the_service_is_told_without_its_inside_and_is_counted(app: object) -> None:
    (served,) = app.state.service._registry.models()  # type: ignore[attr-defined]

    def broken(_items: object) -> list[object]:
        raise RuntimeError("secret")

    served._predictions._work = broken
    answer = post(app, "/v1/predict", PICTURE)
    assert code(answer) == (500, "bug")
    assert "secret" not in answer.text
    assert 'fieldmark_requests_total{route="/v1/predict",status="500"} 1.0' in get(app, "/metrics").text


def test_metrics_count_and_their_names_do_not_grow(app: object) -> None:
    post(app, "/v1/predict", PICTURE, b"broken")
    for number in range(5):
        get(app, f"/{number}")
    text = get(app, "/metrics").text
    assert 'fieldmark_pictures_total{outcome="answered"} 1.0' in text
    assert 'fieldmark_pictures_total{outcome="broken"} 1.0' in text
    assert 'fieldmark_requests_total{route="other",status="404"} 5.0' in text
    assert "fieldmark_ready 1.0" in text


def test_the_description_names_every_route_with_an_example_and_its_failures(app: object) -> None:
    paths = get(app, "/openapi.json").json()["paths"]
    assert set(paths) == {
        *("/v1/predict", "/v1/explain", "/v1/feedback", "/v1/classes", "/v1/models", "/v1/reload"),
        *("/healthz", "/readyz", "/metrics"),
    }
    for path, methods in paths.items():
        for operation in methods.values():
            if path.startswith("/v1/"):
                assert operation["responses"]["200"]["content"]["application/json"]["example"]
                assert {"401", "422", "503"} <= set(operation["responses"])


def test_stopping_answers_what_was_accepted_and_takes_no_more(quadrant_run: Path) -> None:
    app = create_app(quadrant_run, settings=SETTINGS)
    assert app.state.service.close()
    assert get(app, "/readyz").status_code == 503
    assert get(app, "/healthz").status_code == 200
    assert code(post(app, "/v1/predict", PICTURE)) == (503, "closing")


def test_keys_must_not_be_empty_by_mistake(quadrant_run: Path) -> None:
    app = create_app(quadrant_run, settings=SETTINGS, keys=ApiKeys({}))
    assert code(get(app, "/v1/models")) == (401, "key_missing")
