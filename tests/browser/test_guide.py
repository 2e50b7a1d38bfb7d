"""The field guide in a browser, by keyboard alone, from a disk and under a strict content security policy."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chromium import BROWSER_TESTS, PATIENCE
from fieldmark.report.guide import write_guide_site
from guide_stand_ins import bird_guide

playwright = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed (make install)")
Browser, Page, expect = playwright.Browser, playwright.Page, playwright.expect

# Conditions are never polled inside a page (wait_for_function): its policy forbids the evaluation that this takes.
expect.set_options(timeout=PATIENCE)

pytestmark = BROWSER_TESTS


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found, folder = bird_guide(tmp_path_factory.mktemp("birds"))
    return write_guide_site(found, folder)


class Server(http.server.ThreadingHTTPServer):
    """Takes as many connections at once as a page has pictures."""

    request_queue_size = 200


class Strict(http.server.SimpleHTTPRequestHandler):
    """Serves files under a policy that allows nothing but files of this server."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", "default-src 'self'")
        super().end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(params=["disk", "server"])
def page(request: pytest.FixtureRequest, guide: Path, browser: Browser) -> Iterator[Page]:
    """The guide's first page; what the browser complains of fails the test."""
    complaints: list[str] = []
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(PATIENCE)
    opened.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    # A picture that is still on its way when the next page is opened is no fault.
    opened.on("requestfailed", lambda one: complaints.append(one.url) if "ABORTED" not in str(one.failure) else None)
    if request.param == "disk":
        opened.goto(guide.as_uri())
        yield opened
        opened.close()
    else:
        handler = functools.partial(Strict, directory=str(guide.parent))
        with Server(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            opened.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            yield opened
            opened.close()  # while its pictures can still be had
            server.shutdown()
    assert complaints == []


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.replace(/\\s+/g, ' ').trim()"))


def visible_cards(page: Page) -> list[str]:
    return [text.strip() for text in page.locator("[data-words]:visible .name").all_text_contents()]


def test_from_a_class_to_its_pair_to_the_key_and_back_by_keyboard(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("OSMERE")
    expect(page.locator("[data-words]:visible .name")).to_have_text(["Osmere Reedchat"])
    assert page.locator("#found").text_content() == "1 of 8 classes"
    page.keyboard.press("ArrowDown")
    assert focused(page).startswith("Osmere Reedchat")
    page.keyboard.press("Enter")
    page.wait_for_url("**/class-osmere-reedchat.html")
    page.keyboard.press("j")
    lookalike = focused(page)
    assert "look at the" in lookalike
    page.keyboard.press("Enter")
    page.wait_for_url("**/pair-*osmere-reedchat*.html")
    assert "Look at the" in str(page.locator(".lead").text_content())
    page.keyboard.press("Tab")  # to the link that skips the navigation
    assert focused(page) == "Skip to the content"
    for _ in range(4):
        page.keyboard.press("Tab")
    assert focused(page) == "Key"
    page.keyboard.press("Enter")
    page.wait_for_url("**/key.html")
    page.go_back()
    page.wait_for_url("**/pair-*osmere-reedchat*.html")
    page.keyboard.press("/")  # a page without a search leads to it
    page.wait_for_url("**/index.html#search")
    assert page.evaluate("document.activeElement.id") == "search"


def test_the_key_is_walked_back_and_begun_again(page: Page) -> None:
    step, everything = page.locator(".step:visible"), page.locator("[data-go=all]")
    page.goto(page.url.replace("index.html", "key.html"))
    expect(step).to_have_id("step-1")
    assert page.locator("[data-go=back]").is_disabled()
    page.keyboard.press("2")
    page.wait_for_url("**/key.html#step-*")
    second = page.url.partition("#")[2]
    assert second != "step-1"
    expect(step).to_have_id(second)
    expect(page.locator(f"#{second} h2")).to_be_focused()
    page.keyboard.press("b")
    expect(step).to_have_id("step-1")
    page.go_back()
    expect(step).to_have_id(second)
    page.keyboard.press("r")
    expect(step).to_have_id("step-1")
    page.evaluate("location.hash = '#main'")  # the skip link must not lose the question
    page.wait_for_url("**/key.html#main")
    expect(step).to_have_id("step-1")
    everything.click()
    expect(step).to_have_count(7)
    everything.click()
    expect(step).to_have_count(1)
    while "key.html" in page.url:
        before = page.url
        page.keyboard.press("ArrowLeft")
        page.wait_for_url(lambda url, before=before: url != before)
        if "key.html" in page.url:
            expect(step).to_have_id(page.url.partition("#")[2])
    assert "/class-" in page.url


def test_the_search_knows_marks_groups_and_accents_and_says_when_nothing_fits(page: Page) -> None:
    page.fill("#search", "velorina")
    assert len(visible_cards(page)) == 4
    page.fill("#search", "reedchat móss")
    assert visible_cards(page) == []
    assert page.locator("#nothing").is_visible()
    page.fill("#search", "eye ring fénwick")
    assert visible_cards(page) == ["Fenwick Reedchat"]
    page.keyboard.press("Enter")
    page.wait_for_url("**/class-fenwick-reedchat.html")


def test_lists_are_walked_by_arrows_and_stop_at_their_ends(page: Page) -> None:
    page.keyboard.press("k")
    last = focused(page)
    page.keyboard.press("j")
    assert focused(page) == last
    page.locator("#classes a").first.focus()
    first = focused(page)
    page.keyboard.press("ArrowRight")
    assert focused(page) != first
    page.keyboard.press("ArrowUp")
    assert focused(page) == first
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("name", ["index", "key", "class", "pair"])
def test_nothing_sticks_out_on_a_phone_and_all_is_printed(browser: Browser, guide: Path, name: str) -> None:
    file = next(path for path in sorted(guide.parent.glob(f"{name}*.html")))
    page = browser.new_page(viewport={"width": 360, "height": 640})
    page.set_default_timeout(PATIENCE)
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    broken = page.evaluate(
        "Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode().catch(() => i.src); }))"
    )
    assert [source for source in broken if source] == []
    page.emulate_media(media="print")
    if name == "key":
        expect(page.locator(".step:visible")).to_have_count(7)
        assert not page.locator(".walk").is_visible()
    page.close()


def test_without_scripts_everything_is_still_there(browser: Browser, guide: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(guide.as_uri())
    assert page.locator("[data-words]:visible").count() == 8
    assert not page.locator("#search").is_visible()
    page.goto((guide.parent / "key.html").as_uri())
    assert page.locator(".step:visible").count() == 7
    context.close()
