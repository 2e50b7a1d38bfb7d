"""The page of an audit in a browser: narrow and wide, light and dark, folded and unfolded."""

from pathlib import Path

import pytest
from PIL import ImageFilter

from audit_stand_ins import colour_network, picture, recoded, three_classes, write_table
from chromium import BROWSER_TESTS, PATIENCE
from fieldmark import audit_table
from fieldmark.report import write_audit_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed (make install)")
Browser = playwright.Browser


pytestmark = BROWSER_TESTS


@pytest.fixture(scope="module")
def audit_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small table with leaks, a conflict, a wrong label, a blurred and a broken picture."""
    folder = tmp_path_factory.mktemp("audit")
    leaks = {f"leak-{n}.jpg": ("ant", "test", recoded(picture(n, "ant"), 60)) for n in range(16) if n % 3 != 2}
    table = write_table(
        folder / "data",
        three_classes(20)
        | leaks
        | {
            "twin.jpg": ("bee", "train", recoded(picture(203, "cat"), 60)),
            "wrong.png": ("ant", "train", picture(900, "cat")),
            "soft.png": ("bee", "train", picture(901, "bee").filter(ImageFilter.GaussianBlur(9))),
            f"{'long-name-' * 15}.png": ("bee", "train", b"no picture"),
        },
    )
    audit_table(table, cache=folder / "cache", network=colour_network(), out=folder / "out")
    return write_audit_page(folder / "out")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_and_axe_finds_no_serious_fault(
    browser: Browser, audit_page: Path, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python isn't installed")
    page = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True
    ).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(audit_page.as_uri())
    for fold in page.locator("details:not([open]) > summary").all():
        fold.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []


def test_the_page_asks_for_nothing_and_shows_every_picture(browser: Browser, audit_page: Path) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(audit_page.as_uri())
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    assert complaints == []
    widths = page.eval_on_selector_all("#leaks img", "images => images.map(image => image.naturalWidth)")
    assert len(widths) == 22
    assert all(width > 1 for width in widths)
    assert page.locator("#broken td").first.text_content() == "not a picture in a known format"
