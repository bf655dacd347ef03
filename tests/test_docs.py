"""What is cited is there: files, numbered headings, links, and the test behind every promise."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
CODE = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py")])
HEADING = re.compile(r"^#+ (\d+(?:\.\d+)*)\.? ", re.MULTILINE)
CITED = re.compile(
    r"(?<!/)\b(?P<page>(?:docs/\w+|(?:\w+/)*[A-Z]{3,}|\w+(?=\.md\)))\.md)\b(?:\)?\s+§(?P<number>\d+(?:\.\d+)*))?"
)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def cited(text: str) -> list[tuple[str, str | None]]:
    return [(found["page"], found["number"]) for found in CITED.finditer(text)]


def missing(text: str, beside: Path = ROOT) -> list[str]:
    """The citations in a text that lead nowhere."""
    lost = []
    for page, number in cited(text):
        path = next((p for p in (ROOT / page, beside / page) if p.is_file()), None)
        if path is None or (number and number not in HEADING.findall(path.read_text(encoding="utf-8"))):
            lost.append(f"{page} §{number}" if number else page)
    return lost


def test_every_page_and_heading_that_code_cites_is_there() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in CODE if path != Path(__file__)}
    assert {str(path): lost for path, text in texts.items() if (lost := missing(text, path.parent))} == {}
    assert sum(number is not None for text in texts.values() for _, number in cited(text)) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_and_link_that_a_page_cites_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert missing(text, page.parent) == []
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []


def test_the_readme_leads_to_every_page() -> None:
    links = LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= set(links)


def test_every_promise_is_held_by_tests_that_are_there() -> None:
    text = (ROOT / "docs/promises.md").read_text(encoding="utf-8")
    parts = re.split(r"^## \d+\. ", text, flags=re.MULTILINE)
    assert len(parts) == 9
    for promise in parts[1:]:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", promise)
        assert named, promise.splitlines()[0]
        for file, test in named:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert test in there, (file, test)


@pytest.mark.parametrize(
    "text", ["See METHODS.md.", "docs/methods.md §99", "(docs/nowhere.md §1)", "docs/log.md §1"]
)
def test_what_leads_nowhere_is_seen(text: str) -> None:
    assert missing(text) != []
