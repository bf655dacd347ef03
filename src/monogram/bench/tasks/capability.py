"""`capability`: what the model can do besides, before and after 1, 10 and 50 preferences, on the same items.

Choices (ARC, BoolQ) by the likelihood of each answer, plain text (WikiText) by perplexity, short answers
(NQ-open) by generation and exact match; sums (GSM8K) only where their file is named. Flips against the base
model, with McNemar's test. Everything else goes over `bench.lm_eval_bridge`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from monogram.bench import intervals
from monogram.bench.asks import Ask, Case, Plan, said
from monogram.bench.exams import SAID, Exam, number, short
from monogram.bench.facts import State, facts
from monogram.bench.intervals import Figure
from monogram.bench.items import Choice
from monogram.bench.paired import flips, mcnemar
from monogram.bench.probes import same_attribute
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, averages
from monogram.bench.tasks.people import people
from monogram.bench.tasks.prefeval_choice import missing

SIZES = (1, 10, 50)
BRIEFLY = "Answer with the name, number or date alone: {}?"
SUM_TOKENS = 256
"""Longest answer to a sum."""
PIECE = 1500
"""Characters of plain text that are read together."""
PIECES = 40
"""How many of them, at most."""
PERPLEXITY = "perplexity_"


class Capability(Task):
    """Exams, under a person of each size."""

    name = "capability"
    help = "Is the model as able as before, with 1, 10, 50 preferences in?"

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        asks: list[Ask] = []
        skipped = []
        for exam in sources.exams:
            if exam.kind == "sums" and not sources.is_named(exam.name):
                skipped.append((exam.name, "Sums take long; they run where --data names their file."))
            else:
                asks += _asks(exam, choice.limit)
        for name, text in sources.texts.items():
            asks += _pieces(name, text, choice.limit)
        if not asks:
            plan = missing("exams or plain texts", "ARC, BoolQ, NQ-open files or a .txt")
            return Plan((), skipped=(*skipped, *plan.skipped))
        person, items = next(iter(people(sources.items, same_attribute()).items()))
        cases = []
        for size in SIZES:
            if size > len(items):
                why = f"{person} has {len(items)} preferences of different attributes, not {size}."
                skipped.append((f"{person}:{size}", why))
                continue
            sized = tuple(replace(ask, gold={**ask.gold, "size": size}) for ask in asks)
            cases.append(Case(f"{person}:{size}", State(facts(items[:size])), sized))
        return Plan(tuple(cases), (), tuple(skipped), {"pieces": PIECES, "piece": PIECE})

    def marks(self, row: Record) -> dict[str, Mark]:
        if "loss" in row:
            return {}
        name = f"{row['kind']}_{row['size']}"
        found: dict[str, Mark] = {name: _right(row, row)}
        if row["exam"] == "short":
            found[f"{name}_contains"] = any(short(a) in short(row["answer"]) for a in row["answers"])
        return found

    def heading(self, metric: str) -> str | None:
        lower = metric.endswith("_lost") or metric.startswith(PERPLEXITY)
        return f"{metric.replace('_', ' ')}{' ↓' if lower else ''}"

    def figures(self, rows: Sequence[Record], seed: int) -> dict[str, Figure]:
        """Rates before (`_0`) and after, flips with their p, perplexities with a bootstrap over pieces."""
        told = [row for row in rows if "why" not in row]
        found: dict[str, Figure] = {}
        for kind in dict.fromkeys(row["kind"] for row in told):
            of_kind = [row for row in told if row["kind"] == kind]
            once = list({row["variant"]: row for row in of_kind}.values())
            if "loss" in once[0]:
                found[f"{PERPLEXITY}{kind}_0"] = _perplexity([row["base"] for row in once], seed)
            else:
                found[f"{kind}_0"] = intervals.share([_right(row, row["base"]) for row in once])
            for size in dict.fromkeys(row["size"] for row in of_kind):
                found |= _at(f"{kind}_{size}", [row for row in of_kind if row["size"] == size], seed)
        return found


def _at(name: str, rows: Sequence[Record], seed: int) -> dict[str, Figure]:
    """One exam's figures at one size."""
    if "loss" in rows[0]:
        return {f"{PERPLEXITY}{name}": _perplexity(rows, seed)}
    pairs = [(_right(row, row["base"]), _right(row, row)) for row in rows]
    gained, lost = flips(pairs)
    return averages(rows, seed) | {
        f"{name}_gained": intervals.rate(gained, len(pairs)),
        f"{name}_lost": intervals.rate(lost, len(pairs)),
        f"{name}_p": Figure(mcnemar(gained, lost), None, None, len(pairs)),
    }


def _asks(exam: Exam, limit: int | None) -> Iterator[Ask]:
    for question in exam.questions[:limit]:
        gold: dict[str, Any] = {"exam": exam.kind, "answers": list(question.answers)}
        if exam.kind == "choice":
            options = tuple(SAID.format(option) for option in question.options)
            gold["right"] = question.options.index(question.answers[0])
            yield Ask(exam.name, said(question.text), question.id, "options", options, gold=gold)
        elif exam.kind == "short":
            yield Ask(exam.name, said(BRIEFLY.format(question.text)), question.id, gold=gold)
        else:
            yield Ask(exam.name, said(question.text), question.id, longest=SUM_TOKENS, gold=gold)


def _pieces(name: str, text: str, limit: int | None) -> Iterator[Ask]:
    """The text's first pieces, cut at blanks."""
    words, piece, made = text.split(" "), "", 0
    for word in words:
        piece = f"{piece} {word}" if piece else word
        if len(piece) >= PIECE:
            yield Ask(name, variant=str(made), how="text", text=piece)
            piece, made = "", made + 1
            if made == min(PIECES, limit or PIECES):
                return
    if piece.strip() and not made:
        yield Ask(name, variant="0", how="text", text=piece)


def _right(row: Record, result: Record) -> bool:
    """Whether a result (the row's own, or the base model's) is right."""
    if "loglik" in result:
        loglik = result["loglik"]
        return all(loglik[row["right"]] > v for i, v in enumerate(loglik) if i != row["right"])
    if row["exam"] == "sums":
        return number(result["answer"]) == number(row["answers"][0])
    return short(result["answer"]) in map(short, row["answers"])


def _perplexity(results: Sequence[Record], seed: int) -> Figure:
    """exp(nats per token); the bootstrap draws pieces, each with its own mean."""
    whole = math.exp(sum(r["loss"] for r in results) / sum(r["tokens"] for r in results))
    drawn = intervals.mean([r["loss"] / r["tokens"] for r in results], seed)
    low, high = (None if end is None else math.exp(end) for end in (drawn.low, drawn.high))
    return Figure(whole, low, high, len(results))


task = Capability()
