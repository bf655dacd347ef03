"""A report is made from raw outputs alone: whole, safe to open, and with the figures of summary.json."""

import json
import re
import shutil
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from monogram.bench.headline import HEADLINE
from monogram.bench.intervals import Figure
from monogram.bench.report.page import fenced, plain, write
from monogram.bench.report.tables import parts
from monogram.bench.runner import run
from monogram.errors import InputError
from tests import tiny
from tests.bench.fakes import Answering, Shift, always, order, prompted

HOSTILE = '<script>alert("1")</script> | `x` <img src=https://example.org/x.png> ~~~~\n# no heading'
VOID = {"meta", "line", "path", "polyline"}
TASKS = ("upqa", "retention", "cost", "forget")


class Page(HTMLParser):
    """What a page holds; unbalanced tags are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or ("tr" in self.open and "th" in self.open):
            self.tables[-1][-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a tiny model and a method that says what no page should obey."""
    folder = tmp_path_factory.mktemp("run")
    em = tiny.editable(max_position_embeddings=1024)
    hostile = Answering("hostile", lambda fact, question: f"{fact.preference.target} {HOSTILE}")
    run(
        em,
        order(folder, *TASKS, command="x | y"),
        always(prompted("none"), Shift(em), hostile),
        folder / "out",
    )
    write([folder / "out"])
    return folder / "out"


@pytest.fixture(scope="module")
def page(made: Path) -> Page:
    return Page((made / "report.html").read_text(encoding="utf-8"))


def test_the_page_is_whole_and_needs_nothing_from_outside(made: Path, page: Page) -> None:
    text = (made / "report.html").read_text(encoding="utf-8")
    assert not page.all("script") + page.all("link") + page.all("img") + page.all("iframe")
    loads = [v for _, a in page.tags for k, v in a.items() if k in ("src", "href", "xlink:href", "action")]
    assert all(str(value).startswith("#") for value in loads)
    assert "url(" not in text
    assert "@import" not in text
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(names)) == len(names)
    assert {str(value)[1:] for value in loads} <= set(names)


def test_every_number_of_the_headline_is_that_of_the_summary(made: Path, page: Page) -> None:
    summary = json.loads((made / "summary.json").read_text())
    head, *rows = page.tables[0]
    assert [row[0] for row in rows] == list(summary) == ["none", "shift", "hostile"]
    for row in rows:
        for name, cell in zip(("score", *HEADLINE), row[1:], strict=False):
            assert cell.split() == " ".join(parts(name, Figure(**summary[row[0]][name]))).split()
    assert head[-1] == "ahead of"


def test_every_figure_of_the_summary_tables_is_there(made: Path, page: Page) -> None:
    table = next(table for table in page.tables if table[0] == ["", "none", "shift", "hostile"])
    told = {row[0]: [cell.split() for cell in row[1:]] for row in table}
    lines = [
        line.split("|")[1:-1] for line in (made / "summary.md").read_text().splitlines() if line[:1] == "|"
    ]
    rows = {line[0].strip(): [cell.split() for cell in line[1:]] for line in lines[2:]}
    assert rows == {name: told[name] for name in rows}


def test_what_a_model_says_is_shown_and_never_obeyed(made: Path, page: Page) -> None:
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;" in (made / "report.html").read_text()
    markdown = (made / "report.md").read_text(encoding="utf-8")
    lines = markdown.splitlines()
    fences = [place for place, line in enumerate(lines) if re.fullmatch("~~~~~(text)?", line)]
    for place in [n for n, line in enumerate(lines) if "<script>" in line]:
        assert sum(fence < place for fence in fences) % 2 == 1  # inside a block of code


def test_everybody_can_read_it(page: Page) -> None:
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("caption")) == len(page.all("table")) == len(page.tables)
    assert all(cell["scope"] in ("col", "row") for cell in page.all("th"))
    drawn = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert len(drawn) == len(page.all("desc")) == len(page.all("figcaption"))
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert all(set(str(svg["aria-labelledby"]).split()) <= ids for svg in drawn)


def test_sections_stand_only_where_the_run_holds_something(page: Page) -> None:
    names = [section["id"] for section in page.all("section")]
    assert names == [
        *("headline", "frontier", "gates", "retention", "cost", "forms", "examples", "scorers", "figures"),
        *("how-0", "left-out"),
    ]


def test_examples_are_of_both_kinds_and_stand_in_the_order_of_the_headline(made: Path) -> None:
    text = (made / "report.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^### (\w+)$", text, re.MULTILINE)
    assert drawn == [name for name in HEADLINE if name in drawn]
    assert {"direct", "paraphrased", "implicit", "product", "leak"} <= set(drawn)
    told = re.findall(
        r"^\*\*(\w+): went (\w+)\*\*", text.partition("### direct")[2].partition("###")[0], re.MULTILINE
    )
    assert told == [("none", "wrong"), ("shift", "wrong"), ("hostile", "well")]


def test_without_texts_no_question_and_no_answer_is_quoted(made: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (made / "raw.jsonl").read_text(encoding="utf-8").splitlines()]
    quoted = {row[part] for row in rows for part in ("question", "answer") if len(row.get(part) or "") > 8}
    there = [(made / name).read_text(encoding="utf-8") for name in ("report.html", "report.md")]
    assert len(quoted) > 10
    assert all(any(text in page or escape(text) in page for text in quoted) for page in there)
    for file in write([made], tmp_path / "plain", texts=False):
        page = file.read_text(encoding="utf-8")
        assert "score" in page
        assert not [text for text in quoted if text in page or escape(text) in page]


def test_the_same_raw_outputs_make_the_same_report(made: Path, tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.mkdir()
    for name in ("raw.jsonl", "run.json"):
        shutil.copy(made / name, place)
    write([place])
    for name in ("report.html", "report.md"):
        assert (place / name).read_bytes() == (made / name).read_bytes()


def test_a_run_that_has_not_ended_says_so(made: Path, tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.mkdir()
    lines = (made / "raw.jsonl").read_text().splitlines(keepends=True)
    (place / "raw.jsonl").write_text("".join(lines[: len(lines) // 2]))
    shutil.copy(made / "manifest.json", place)
    write([place])
    assert "This run has not ended" in (place / "report.html").read_text()
    Page((place / "report.html").read_text())


def test_several_runs_stand_side_by_side(made: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(made, other)
    files = write([made, other], tmp_path / "both")
    rows = Page(files[0].read_text()).tables[0][1:]
    assert [row[0] for row in rows] == [
        f"{run} / {method}" for run in ("out", "other") for method in ("none", "shift", "hostile")
    ]
    assert files == [tmp_path / "both" / name for name in ("report.html", "report.md")]
    with pytest.raises(InputError, match="Two runs are called 'out'"):
        write([made, made])


@pytest.mark.parametrize("named", ["run.json", "manifest.json", None])
def test_what_is_no_run_is_said(tmp_path: Path, named: str | None) -> None:
    with pytest.raises(InputError, match=r"holds no run: there is no raw\.jsonl"):
        write([tmp_path])
    (tmp_path / "raw.jsonl").write_text("")
    if named is not None:
        (tmp_path / named).write_text("{}")
    with pytest.raises(InputError, match=named or "cannot be read"):
        write([tmp_path])


@pytest.mark.parametrize("text", ["~~~", "a\n~~~~~\nb", ""])
def test_a_block_of_code_ends_where_it_should(text: str) -> None:
    first, *inside, last = fenced(text).splitlines()
    assert first == f"{last}text"
    assert "\n".join(inside) == text
    assert last not in inside


def test_markdown_shows_letters(tmp_path: Path) -> None:
    assert plain("a|b <i>*c*\n_d_") == r"a\|b \<i\>\*c\* \_d\_"


def rows_with_gates() -> list[dict[str, Any]]:
    row = {"method": "m", "seed": 0, "task": "upqa", "item": "0", "kind": "direct", "state": "0"}
    about = {"question": "?", "answer": "!", "target": "x", "attribute": "y", "base": {"answer": ""}}
    return [{**row, **about, "variant": str(n), "scores": {}, "gate": n / 4} for n in range(5)]


def test_gates_are_drawn_where_rows_hold_them(tmp_path: Path) -> None:
    (tmp_path / "raw.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows_with_gates()))
    info = {"tasks": ["upqa"], "methods": {"m": {}}, "model": {"name": "tiny"}}
    (tmp_path / "run.json").write_text(json.dumps({"run": info}))
    page = Page(write([tmp_path])[0].read_text())
    assert sum("stroke" in str(line.get("class")) for line in page.all("line")) == 5
    gates = next(table for table in page.tables if table[0][1:2] == ["question"])
    assert gates[1] == ["m", "direct", "0.00", "0.50", "1.00", "5"]
