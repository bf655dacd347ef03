"""Commands that look at a person: ask, list, export."""

from pathlib import Path
from typing import Annotated, Any

import typer

from monogram.cli import complete
from monogram.cli.options import Home, Json, Model, Tokens, User, Yes
from monogram.cli.output import emit, explained, remark, say, show_table
from monogram.cli.progress import progress
from monogram.cli.shared import agree, ledger_of, record, refuse_unknown
from monogram.cli.transfer import export_profile
from monogram.errors import InputError
from monogram.preferences import check_user

HELD = {"peft": "adapter_config.json", "gguf": "adapter.gguf", "ollama": "adapter.gguf"}
"""Format -> the file that says that a folder holds an export of it."""
WRITTEN = {
    "peft": "a PEFT adapter",
    "gguf": "an adapter for llama.cpp (adapter.gguf)",
    "ollama": "for `ollama create` (Modelfile)",
    "merged": "a whole model",
}


def join(app: typer.Typer) -> None:
    """Put the commands into the app."""
    for command in (ask, list_, export):
        app.command(command.__name__.strip("_"))(explained(command))


def ask(
    user: User,
    question: Annotated[str, typer.Argument(help="What to ask.", show_default=False)],
    base: Annotated[bool, typer.Option("--base", help="Ask the base model, which knows nobody.")] = False,
    max_new_tokens: Tokens = 128,
    model: Model = "smollm2",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Ask the model that knows a person.

    Nothing about the person is put into the prompt.

    Example: `monogram ask alice "What should I do this weekend?"`
    """
    refuse_unknown(ledger_of(home), check_user(user))
    if not question.strip():
        raise InputError("The question is empty. Ask something.")
    with progress(as_json, f"Loading {model}") as bars:
        from monogram.people import load

        people = load(model, home=home, progress=bars)
        if bars is not None:
            bars("Answering", 0, 0)
        if base:
            answer = people.ask(question, max_new_tokens=max_new_tokens)
        else:
            answer = people.user(user).ask(question, max_new_tokens=max_new_tokens)
    if as_json:
        emit({"user": user, "question": question, "answer": answer, "base": base, "model": model})
    else:
        say(answer)


def list_(
    user: Annotated[
        str | None,
        typer.Argument(help="The person's id; without it, everybody.", autocompletion=complete.users),
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """List what is true of a person, or who there is.

    Example: `monogram list alice`
    """
    from dataclasses import asdict

    ledger = ledger_of(home)
    if user is None:
        counts = [(name, len(ledger.present(name))) for name in ledger.users()]
        if as_json:
            emit({"users": [{"user": name, "preferences": n} for name, n in counts]})
        elif counts:
            show_table(["person", "preferences"], counts)
        else:
            say("Nobody yet. Begin with: monogram add alice 'I love hiking.'")
        return
    user = check_user(user)
    refuse_unknown(ledger, user)
    held, version = ledger.present(user), ledger.version(user)
    if as_json:
        told = None if version is None else asdict(version)
        emit({"user": user, "preferences": [record(p) for p in held], "version": told})
        return
    if not held:
        say(f"Nothing is true of {user!r} any more: everything was forgotten.")
        return
    show_table(
        ["attribute", "target", "polarity", "said"],
        [(p.attribute, p.target, p.polarity, p.statement) for p in held],
    )
    if version is not None:
        say(f"version {version.number} of {version.created}, editor {version.editor}")


def export(
    user: User,
    folder: Annotated[
        Path, typer.Argument(help="Where to write it: a folder; for yaml a file.", show_default=False)
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="peft (a LoRA adapter), gguf (one for llama.cpp), ollama (that with the base model and a "
            "Modelfile), merged (a whole model of its own) or yaml (a profile file).",
            autocompletion=complete.words("peft", "gguf", "ollama", "merged", "yaml"),
        ),
    ] = "peft",
    rank: Annotated[
        int,
        typer.Option(
            min=1,
            help="The highest rank of an adapter; engines take 512. One that has more (fine-tuning's, never "
            "neuron's) is cut to its nearest, and what that loses is said.",
        ),
    ] = 512,
    base: Annotated[
        Path | None,
        typer.Option(
            "--base",
            help="For ollama: the base model's GGUF file, where the model did not come from one.",
            show_default=False,
        ),
    ] = None,
    model: Model = "smollm2",
    home: Home = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Write a person's adapter, their whole model, or the list of what is true of them.

    An adapter is a plain PEFT LoRA folder, which PEFT, vLLM and SGLang read without monogram, or a GGUF file
    for llama.cpp. A merged model's receipt is run again on what was written. A profile file is read by
    `monogram import`.

    Example: `monogram export alice --to peft alice-adapter`
    """
    user = check_user(user)
    ledger = ledger_of(home)
    refuse_unknown(ledger, user)
    if to == "yaml":
        export_profile(ledger, user, folder, yes=yes, as_json=as_json)
        return
    if to in HELD and (folder / HELD[to]).exists():
        agree(f"{folder} holds an adapter already, which would be replaced.", yes=yes, as_json=as_json)
    with progress(as_json, f"Loading {model}") as bars:
        from monogram.exports import told
        from monogram.people import load

        person = load(model, home=home, progress=bars).user(user)
        if bars is not None:
            bars("Writing", 0, 0)
        written = person.export(folder, to, rank=rank, base=base)
        more = told(written, to)
    nbytes = sum(path.stat().st_size for path in written.rglob("*") if path.is_file())
    if as_json:
        emit({"user": user, "to": to, "folder": str(written), "bytes": nbytes, "model": model, **more})
        return
    say(f"{written}: {_size(nbytes)}, {WRITTEN[to]}{_measured(more)}")
    for problem in more.get("problems", ()):
        remark(problem)


def _measured(more: dict[str, Any]) -> str:
    """What a cut lost; or what a merged model's receipt says, and what the adapter's said."""
    if "cut_from" in more:
        return f", cut from rank {more['cut_from']}, which loses {more['cut_error']} of its norm"
    if "measured" not in more:
        return ""
    parts = (f"{name} {_figure(more['measured'][name])}" for name in ("recall", "leak"))
    return f"; measured again: {', '.join(parts)} (recall {_figure(more['before']['recall'])} when compiled)"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _size(nbytes: int) -> str:
    return f"{nbytes / 1e6:.0f} MB" if nbytes >= 1e6 else f"{nbytes / 1e3:.0f} KB"
