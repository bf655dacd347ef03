"""Sections about how well each method does: the headline, who is ahead, recall against leak, gates, forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from monogram.bench.headline import HEADLINE
from monogram.bench.intervals import Figure, share
from monogram.bench.raw import Record
from monogram.bench.report import charts
from monogram.bench.report.ahead import ALPHA, Duel, duels
from monogram.bench.report.content import Cell, Section, Table, by_entry, by_metric, figure_cell
from monogram.bench.report.runs import Entry
from monogram.bench.report.tables import headings

RECALLED = ("direct", "paraphrased", "implicit", "product")
SCORE = (
    "The score is the harmonic mean of the columns beside it (of leak and crosstalk: 1 − rate), each "
    "smoothed to (k + 1) / (n + 2), so that no single trick wins it."
)
BELOW = "95 % intervals (Wilson for rates, bootstrap otherwise), n = number of answers. ↓: lower is better."
AHEAD = (
    "“Ahead of” means: a higher score, by more than the paired bootstrap's interval, and no column "
    f"significantly lower (McNemar's exact test on the same questions, p < {ALPHA}, not corrected for the "
    "number of columns). With few items hardly anything is significant: mind n. The base model itself (none) "
    "cannot lose in leak, crosstalk and top-1 agreement."
)


def headline(entries: Sequence[Entry]) -> Iterator[Section]:
    """The score and its columns, and who is ahead of whom; without `upqa` there is none."""
    scored = [entry for entry in entries if "score" in entry.figures]
    if not scored:
        return
    told = _headings(scored)
    table = by_entry("The headline", scored, {name: told[name] for name in ("score", *HEADLINE)})
    fights = duels(scored)
    rows = [[*row, Cell(_ahead_of(entry, fights))] for entry, row in zip(scored, table.rows, strict=True)]
    tables = [Table(table.caption, [*table.head, "ahead of"], rows, first=True)]
    if fights:
        tables.append(_pairs(fights, told))
    scores = {e.name: e.figures["score"] for e in scored if e.figures["score"].value is not None}
    drawn = charts.rows("score", "Score", "Each method's score with its interval.", "score", scores)
    text = (
        SCORE,
        BELOW,
        AHEAD,
    )
    yield Section("headline", "Headline", text, [drawn], tables)


def frontier(entries: Sequence[Entry]) -> Iterator[Section]:
    """What is recalled where it should be, against what comes up where it should not."""
    points: dict[str, tuple[Figure, Figure]] = {}
    for entry in entries:
        marks = [row["scores"].get(row["kind"]) for row in entry.of("upqa", *RECALLED)]
        leak, recall = entry.figures.get("leak"), share(marks)
        if leak is not None and leak.value is not None and recall.value is not None:
            points[entry.name] = (leak, recall)
    if not points:
        return
    best = beaten_by_none(points)
    told = "Each method's recall (upward) against its leak (to the right); the best stand at the top left."
    drawn = charts.plane("frontier", "Recall against leak", told, "leak (lower is better)", points, best)
    rows = [
        [
            Cell(name),
            figure_cell("recall", recall),
            figure_cell("leak", leak),
            Cell("yes" if name in best else ""),
        ]
        for name, (leak, recall) in points.items()
    ]
    head = ["method", "recall, all four questions", "leak ↓", "on the frontier"]
    table = Table("Recall and leak", head, rows)
    text = (
        "Recall over direct, paraphrased, implicit and product questions, against how often the target comes "
        "up when somebody else is asked about. On the line: methods that no other beats in both."
    )
    yield Section("frontier", "Recall against leak", (text,), [drawn], [table])


def beaten_by_none(points: Mapping[str, tuple[Figure, Figure]]) -> list[str]:
    """Names on the frontier of (low, high), from the lowest first on."""
    told = {name: (charts.value(low), charts.value(high)) for name, (low, high) in points.items()}
    kept = [
        name
        for name, (low, high) in told.items()
        if not any((a <= low and b >= high) and (a, b) != (low, high) for a, b in told.values())
    ]
    return sorted(kept, key=lambda name: told[name])


def gates(entries: Sequence[Entry]) -> Iterator[Section]:
    """How strongly an edit fires where each kind of question is answered, where rows tell (`gate`)."""
    drawn, rows = [], []
    for number, entry in enumerate(entries):
        told: dict[str, list[float]] = {}
        for row in entry.rows:
            if row.get("gate") is not None:
                told.setdefault(_question(row), []).append(float(row["gate"]))
        if told:
            told = dict(sorted(told.items(), key=lambda pair: -_middle(pair[1])))
            words = (
                "A stroke where an answer is: how strongly the edit fires there. 1 is full, 0 is not at all."
            )
            drawn.append(charts.strips(f"gates-{number}", entry.name, words, "gate", told))
            rows += [[Cell(entry.name), Cell(kind), *_spread(some)] for kind, some in told.items()]
    if drawn:
        table = Table("Gates", ["method", "question", "lowest", "median", "highest", "n"], rows)
        text = ("How strongly an edit fires at the place where the answer starts, question by question.",)
        yield Section("gates", "Gates", text, drawn, [table])


def forms(entries: Sequence[Entry]) -> Iterator[Section]:
    """Whether instructions about form are still obeyed."""
    held = [entry for entry in entries if entry.of("drift", "format")]
    if not held:
        return
    kept = {"format": "wanted form kept", "format_base": "by the base model"}
    total = by_entry("Format obedience", held, kept)
    asked = list(dict.fromkeys(row["variant"] for entry in held for row in entry.of("drift", "format")))
    rows = [[Cell(form), *(figure_cell("format", _obeyed(entry, form)) for entry in held)] for form in asked]
    parts = Table("Each form", ["form", *(entry.name for entry in held)], rows, aside=True)
    figures = {entry.name: entry.figures["format"] for entry in held}
    told = "Share of answers in the wanted form, method by method."
    drawn = charts.rows("forms", "Wanted form kept", told, "share of answers", figures)
    text = ("JSON, bullets, one word, capitals and the like, checked by program.",)
    yield Section("forms", "Format obedience", text, [drawn], [total, parts])


def everything(entries: Sequence[Entry]) -> Iterator[Section]:
    """All figures, as in summary.md."""
    table = by_metric("Every figure", entries, _headings(entries))
    yield Section("figures", "Every figure", (BELOW,), tables=[table])


def _headings(entries: Sequence[Entry]) -> dict[str, str]:
    found: dict[str, str] = {}
    for run in {id(entry.run): entry.run for entry in entries}.values():
        found = {**found, **headings(run.summary, run.tasks)}
    return found


def _ahead_of(entry: Entry, fights: Sequence[Duel]) -> str:
    return ", ".join(duel.second for duel in fights if duel.first == entry.name and duel.ahead) or "–"


def _pairs(fights: Sequence[Duel], told: Mapping[str, str]) -> Table:
    """The paired tests: each entry less each that is not ahead of it."""
    rows = []
    for duel in fights:
        if duel.score is None or duel.score[0] < 0 or (duel.score[0] == 0 and duel.first > duel.second):
            continue
        value, low, high = duel.score
        cells = [Cell(f"{duel.first} − {duel.second}"), Cell(f"{value:+.2f}", f"({low:+.2f} to {high:+.2f})")]
        for name in HEADLINE:
            paired = duel.columns.get(name)
            if paired is None:
                cells.append(Cell("–"))
                continue
            sign = " ▲" if name in duel.won else " ▼" if name in duel.lost else ""
            cells.append(Cell(f"{paired.wins} : {paired.losses}{sign}", f"p={paired.p:.2g}", f"n={paired.n}"))
        rows.append([*cells, Cell("ahead" if duel.ahead else "–")])
    head = ["pair", "score", *(told.get(name, name).removesuffix(" ↓") for name in HEADLINE), ""]
    caption = "Pairs: won : lost on the same questions, ▲ significantly better, ▼ significantly worse"
    return Table(caption, head, rows, aside=True)


def _obeyed(entry: Entry, form: str) -> Figure:
    rows = [row for row in entry.of("drift", "format") if row["variant"] == form]
    return share([row["scores"]["format"] for row in rows])


def _spread(values: Sequence[float]) -> list[Cell]:
    ordered = sorted(values)
    told = (ordered[0], _middle(values), ordered[-1])
    return [*(Cell(f"{one:.2f}") for one in told), Cell(str(len(ordered)))]


def _middle(values: Sequence[float]) -> float:
    return float(median(values))


def _question(row: Record) -> str:
    """What a row asks, in a word or two."""
    return str(row["kind"]) if row["task"] in ("upqa", row["kind"]) else f"{row['task']}: {row['kind']}"
