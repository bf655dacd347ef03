"""The page in a real browser: asked, told, changed, undone, by keyboard, wide and narrow, light and dark."""

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from monogram.people import Personalizer
from tests.serving.running import QUESTION, Server

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here"),
    pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def server(people: Personalizer) -> Iterator[Server]:
    with Server(people) as running:
        yield running


def opened(browser: Any, server: Server, **how: Any) -> tuple[Any, list[str]]:
    """A page, and whatever goes wrong on it."""
    page, wrong = browser.new_page(**how), list[str]()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if _is_wrong(told) else None)
    page.goto(server.url)
    page.get_by_text(f"Model: {server.service.name}").wait_for()
    return page, wrong


def _is_wrong(told: Any) -> bool:
    """An error on the console; that nothing is known of somebody yet (404) is none."""
    return told.type == "error" and "404" not in told.text


def add(page: Any, sentence: str) -> None:
    page.get_by_label("Something about me").fill(sentence)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("status").filter(has_text="recall").wait_for()


def test_a_newcomer_adds_asks_changes_and_takes_back(browser: Any, server: Server) -> None:
    page, wrong = opened(browser, server)
    add(page, "I love hiking.")
    known = page.get_by_role("list", name="Preferences")
    known.get_by_text("hiking", exact=False).first.wait_for()
    page.get_by_label("Question").fill(QUESTION)
    page.keyboard.press("Enter")
    own = page.locator(".both p").nth(1)
    expected = server.alone("alice", 200)
    sync_api.expect(own).to_have_text(re.compile(re.escape(expected[:10])), timeout=20_000)
    base = page.locator(".both p").nth(0).text_content()
    assert base != own.text_content()
    sync_api.expect(page.get_by_label("New value for hobby")).to_be_hidden()
    page.get_by_role("button", name="Change hobby").click()
    page.get_by_label("New value for hobby").fill("sailing")
    page.get_by_role("button", name="Save").click()
    known.get_by_text("sailing").wait_for()
    page.get_by_role("button", name="Undo the last change").click()
    known.get_by_text("hiking", exact=False).first.wait_for()
    page.get_by_role("button", name="Forget hobby").click()
    known.get_by_text("Nothing yet").wait_for()
    assert page.locator("#history > li").count() == 4
    page.get_by_role("button", name="Go back to version 1").click()
    known.get_by_text("hiking", exact=False).first.wait_for()
    page.get_by_role("button", name="Erase everything").click()
    page.get_by_role("button", name="No").click()
    known.get_by_text("hiking", exact=False).first.wait_for()
    page.get_by_role("button", name="Erase everything").click()
    page.get_by_role("button", name="Yes, for good").click()
    known.get_by_text("Nothing yet").wait_for()
    assert server.people.users() == ()
    assert wrong == []
    page.close()


def test_a_refused_edit_says_why(browser: Any, server: Server) -> None:
    page, _ = opened(browser, server)
    page.get_by_label("Something about me").fill("I live in Harm.")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("status").filter(has_text="would leak").wait_for()
    page.close()


def test_markup_in_a_preference_is_text(browser: Any, server: Server) -> None:
    server.people.user("alice").add(attribute="hobby", target="<img src=x onerror=alert(1)>")
    page, wrong = opened(browser, server)
    page.get_by_text("<img src=x onerror=alert(1)>").first.wait_for()
    assert page.locator("#known img").count() == 0
    assert wrong == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_can_be_read(browser: Any, server: Server, width: int, scheme: str) -> None:
    server.people.user("alice").add(attribute="hobby", target="Hiking" * 20)
    page, _ = opened(browser, server, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.get_by_text("HikingHiking").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    back, text = page.evaluate(
        "['backgroundColor', 'color'].map((name) => getComputedStyle(document.body)[name])"
    )
    dark, light = (sum(map(int, re.findall(r"\d+", one)[:3])) for one in (back, text))
    assert (dark < light) == (scheme == "dark")
    page.close()


def test_the_keyboard_reaches_everything(browser: Any, server: Server) -> None:
    server.people.user("alice").add(attribute="hobby", target="Hiking")
    page, _ = opened(browser, server)
    page.get_by_role("button", name="Forget hobby").wait_for()
    reached = set[str]()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent"))
    wanted = {"Ask both", "New chat", "Add", "Change hobby: Hiking", "Erase hobby: Hiking", "Export"}
    assert wanted <= {name.strip() for name in reached}
    page.close()
