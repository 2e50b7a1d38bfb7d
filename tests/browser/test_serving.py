"""The service's page in a browser: a picture in, its name and reasons, a correction back; by mouse and by keyboard."""

import base64
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chromium import BROWSER_TESTS, PATIENCE
from fieldmark.serve import FeedbackStore, ServiceSettings, create_app
from hostile_files import encoded, picture

playwright = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed (make install)")
uvicorn = pytest.importorskip("uvicorn", reason="uvicorn isn't installed (make install)")
Browser, Page, expect = playwright.Browser, playwright.Page, playwright.expect

expect.set_options(timeout=PATIENCE)

PICTURE = encoded("PNG", image=picture(1, (300, 200)))

pytestmark = BROWSER_TESTS


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    return FeedbackStore(tmp_path / "said", keep_pictures=True)


@pytest.fixture
def address(quadrant_run: Path, store: FeedbackStore, tmp_path: Path) -> Iterator[str]:
    settings = ServiceSettings(max_request_bytes=400_000, watch_s=0, timeout_s=120)
    app = create_app(quadrant_run, settings=settings, feedback=store, cache=tmp_path / "cache")
    (served,) = app.state.service._registry.models()
    assert served._shelf.wait(120)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"
        server.should_exit = True
        thread.join(60)


def opened(browser: Browser, address: str, **context: object) -> tuple[Page, list[str]]:
    """Open the page; what the browser complains of is in the list."""
    complaints: list[str] = []
    page = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 800}} | context).new_page()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request", lambda one: None if one.url.startswith((address, "blob:", "data:")) else complaints.append(one.url)
    )
    page.goto(address)
    expect(page.locator("#known-count")).to_have_text("It knows 3 classes")
    return page, complaints


def drop(page: Page, *files: bytes, event: str = "drop") -> None:
    """Drop or paste files, as a user does."""
    page.evaluate(
        """([texts, event]) => {
            const transfer = new DataTransfer();
            for (const [number, text] of texts.entries()) {
                const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
                transfer.items.add(new File([bytes], `bird-${number + 1}.png`, { type: "image/png" }));
            }
            const fired = event === "paste"
                ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
                : new DragEvent(event, { dataTransfer: transfer, bubbles: true, cancelable: true });
            document.getElementById("drop").dispatchEvent(fired);
        }""",
        [[base64.b64encode(data).decode() for data in files], event],
    )


def test_from_a_dropped_picture_to_a_rival_to_a_correction_by_mouse(
    browser: Browser, address: str, store: FeedbackStore
) -> None:
    page, complaints = opened(browser, address)
    drop(page, PICTURE)
    label, why = page.locator("#label"), page.locator("#why")
    expect(label).to_contain_text("Thornfinch")
    expect(why.locator(".versus li")).to_have_count(5)
    assert why.locator(".versus img").count() > 0  # training pictures of the rival
    expect(why).to_contain_text("differs most")  # from them
    expect(why.locator(".apart > img")).to_have_count(1)
    expect(why.locator(".apart .crop img")).to_have_count(3)
    first = page.locator("#marks .part").first
    before = page.locator("#overlay").screenshot()
    first.hover()
    assert page.locator("#overlay").screenshot() != before  # the part is lit on the picture
    rivals = page.locator("#rival option")
    assert rivals.count() == 2
    other = page.locator("#rival option:not(:checked)").first.text_content()
    page.select_option("#rival", other)
    expect(why.locator(".legend")).to_contain_text(f"speaks for {other}")
    page.click("#language")
    expect(page.locator("#marks h2")).to_have_text("它看到了什么")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.click("#wrong")
    page.fill("#correct", "Plain Thornfinch")
    page.click("#save")
    expect(page.locator(".thanks")).to_have_text("谢谢，你的回答已保存。")
    (row,) = store.rows()
    assert row.correction.label == "Plain Thornfinch"
    assert (store.folder / str(row.picture)).read_bytes() == PICTURE
    page.reload()  # the language is remembered
    expect(page.locator("#question")).to_have_text("图片里是什么？")
    assert complaints == []


def test_the_same_by_keyboard_alone(browser: Browser, address: str, store: FeedbackStore, tmp_path: Path) -> None:
    file = tmp_path / "bird.png"
    file.write_bytes(PICTURE)
    page, complaints = opened(browser, address)

    # Heard from the beginning: a busy browser may open its dialog before it is told to leave that to the test.
    page.on("filechooser", lambda chooser: chooser.set_files(file))

    def tab_to(selector: str) -> None:
        for _ in range(40):
            if page.evaluate("(one) => document.activeElement.matches(one)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{selector} can't be reached")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to("#choose")
    page.keyboard.press("Enter")
    expect(page.locator("#label")).to_be_focused()
    expect(page.locator("#why .versus li")).to_have_count(5)
    tab_to("#marks .part")
    name = page.evaluate("document.activeElement.dataset.part")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.part") != name
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab_to("#rival")
    chosen = page.input_value("#rival")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.input_value("#rival") != chosen
    expect(page.locator("#why .legend")).to_contain_text(page.input_value("#rival"))
    tab_to("#wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#correct")).to_be_focused()
    tab_to("#save")
    page.keyboard.press("Enter")  # nothing is said yet
    expect(page.locator(".fault")).to_contain_text("Name it")
    tab_to("#none")
    page.keyboard.press("Space")
    tab_to("#save")
    page.keyboard.press("Enter")
    expect(page.locator(".thanks")).to_be_focused()
    assert store.rows()[0].correction.label is None
    assert complaints == []


def test_a_pasted_picture_is_looked_at(browser: Browser, address: str) -> None:
    page, complaints = opened(browser, address)
    drop(page, PICTURE, event="paste")
    expect(page.locator("#label")).to_contain_text("Thornfinch")
    page.click("#again")
    expect(page.locator("#choose")).to_be_focused()
    assert complaints == []


def test_several_pictures_are_named_in_a_row_and_looked_at_one_by_one(browser: Browser, address: str) -> None:
    page, complaints = opened(browser, address)
    drop(page, PICTURE, encoded("PNG", image=picture(2, (200, 300))), b"no picture")
    row = page.locator("#row button")
    expect(page.locator("#several-head")).to_have_text("3 pictures")
    expect(row.nth(0)).to_contain_text("Thornfinch")
    expect(row.nth(1)).to_contain_text("Thornfinch")
    expect(row.nth(2)).to_contain_text("can’t be opened")
    expect(row.nth(0)).to_have_attribute("aria-current", "true")
    expect(page.locator("#label")).to_contain_text("Thornfinch")
    row.nth(1).focus()
    page.keyboard.press("Enter")
    expect(row.nth(1)).to_have_attribute("aria-current", "true")
    expect(page.locator("#label")).to_be_focused()
    row.nth(2).click()
    expect(page.locator("#problem")).to_contain_text("can’t be opened as a picture")
    page.click("#language")
    expect(page.locator("#several-head")).to_have_text("3 张图片")
    expect(row.nth(2)).to_have_text("无法打开")
    row.nth(0).click()
    expect(page.locator("#label")).to_be_focused()
    page.click("#again")
    expect(page.locator("#several")).to_be_hidden()
    assert complaints == []


def test_what_can_not_be_looked_at_is_said_and_can_be_tried_again(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address)
    problem = page.locator("#problem")
    drop(page, b"this is no picture")
    expect(problem).to_contain_text("can’t be opened as a picture")
    drop(page, b"x" * 500_000)
    expect(problem).to_contain_text("too large")
    page.route("**/v1/predict*", lambda route: route.abort())
    drop(page, PICTURE)
    expect(problem).to_contain_text("can’t be reached")
    page.unroute("**/v1/predict*")
    problem.get_by_role("button").click()
    expect(page.locator("#label")).to_contain_text("Thornfinch")
    expect(problem).to_be_hidden()


def test_a_busy_service_is_asked_again_after_the_time_that_it_names(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address)
    body = '{"error": {"code": "busy", "message": "m", "cure": "c"}}'
    page.route(
        "**/v1/predict*",
        lambda route: route.fulfill(
            status=503, headers={"retry-after": "1"}, content_type="application/json", body=body
        ),
        times=1,
    )
    drop(page, PICTURE)
    expect(page.locator("#label")).to_contain_text("Thornfinch")


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        ({"known": False, "candidates": ["Plain Thornfinch"]}, ["Nothing that I know", "any of the 3 classes"]),
        ({"known": True, "candidates": ["Plain Thornfinch", "Barred Thornfinch"]}, ["Perhaps", "which of these"]),
    ],
)
def test_unknown_and_undecided_are_said_plainly(
    browser: Browser, address: str, decision: dict[str, object], words: list[str]
) -> None:
    page, complaints = opened(browser, address)
    whole = {"novelty": 0.9, "rank": None, "name": None, "confidence": None, "flagged": [], **decision}

    def decided(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        body = answer.json()
        body["predictions"][0]["decision"] = whole
        route.fulfill(response=answer, json=body)  # type: ignore[attr-defined]

    page.route("**/v1/predict*", decided)
    drop(page, PICTURE)
    for text in words:
        expect(page.locator("#verdict")).to_contain_text(text)
    assert complaints == []


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_and_axe_finds_no_serious_fault(
    browser: Browser, address: str, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python isn't installed")
    context = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme, "bypass_csp": True}
    page, _ = opened(browser, address, **context)
    for state in ("start", "result", "correction"):
        if state == "result":
            drop(page, PICTURE)
            expect(page.locator("#why .versus li")).to_have_count(5)
        elif state == "correction":
            page.click("#wrong")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(page).response["violations"]
        serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert serious == [], state


def test_the_description_of_the_api_is_a_page_without_outside_addresses(browser: Browser, address: str) -> None:
    page, complaints = opened(browser, address)
    page.goto(f"{address}docs")
    expect(page.locator("#routes .card")).to_have_count(9)
    expect(page.locator("#routes")).to_contain_text("/v1/predict")
    assert re.search(r"curl -F files=@bird.jpg http://127", str(page.locator("#routes").text_content()))
    assert complaints == []
