"""The command `chat`: a conversation with the model that knows a person."""

from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from monogram.cli.interrupt import interrupt
from monogram.cli.options import Editor, Home, Json, Model, Tokens, User, Yes
from monogram.cli.output import explained, remark
from monogram.cli.progress import progress
from monogram.cli.shared import ledger_of, names, record
from monogram.errors import MonogramError, did_you_mean
from monogram.preferences import check_user

if TYPE_CHECKING:
    from monogram.cli.slash import Slash
    from monogram.cli.voice import Voice
    from monogram.conversation import Conversation


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command("chat")(explained(chat))


def chat(
    user: User,
    base: Annotated[
        bool, typer.Option("--base", help="Begin with the base model, which knows nobody.")
    ] = False,
    max_new_tokens: Tokens = 256,
    editor: Editor = None,
    model: Model = "smollm2",
    home: Home = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Talk with the model that knows a person, and change what it knows on the way.

    Inside: /add hobby Hiking, /forget hobby, /list, /base (compare with the base model), /reset, /help and
    /quit. Ctrl-C stops an answer; a second one, or Ctrl-D, leaves. What was added stays, what was said is not
    kept.

    Lines can come through a pipe, one for each turn: answers go to stdout, the rest to stderr, and the exit
    code is 1 where a line failed. With --json everything is a JSON object in a line of its own.

    Example: `monogram chat alice`
    """
    from monogram.cli.slash import Slash
    from monogram.cli.voice import Voice, editable_lines

    user, voice = check_user(user), Voice(as_json=as_json)
    known = ledger_of(home).users()
    with progress(as_json, f"Loading {model}") as bars:
        from monogram.conversation import Conversation
        from monogram.people import load

        people = load(model, home=home, editor=editor, progress=bars)
        person = people.user(user)
        talk, other = (
            Conversation(person, max_new_tokens=max_new_tokens, base=one) for one in (base, not base)
        )
        person.delta()  # compiled here and now where no version fits the model
    people.progress = None
    _begin(voice, talk, model, known)
    slash = Slash(talk, other, voice, model, yes=yes)
    if voice.alive:
        editable_lines(slash.completions)
    if failed := _listen(voice, slash):
        remark(f"{failed} of the lines failed.")
        raise typer.Exit(1)


def _begin(voice: "Voice", talk: "Conversation", model: str, known: tuple[str, ...]) -> None:
    user, present = talk.person.name, talk.person.list()
    lines = [f"{user} on {model}: {names(present)}."]
    if not present:
        guess, _, others = did_you_mean(user, known).partition("Known: ")
        guess = "" if user in known or not others else guess
        lines = [f"Nothing is true of {user!r} yet. {guess}Say /add hobby Hiking, or the like."]
    if voice.alive:
        lines.append("/help says what else there is; Ctrl-D leaves.")
    preferences = [record(p) for p in present]
    voice.tell(
        {"type": "start", "user": user, "model": model, "base": talk.base, "preferences": preferences}, *lines
    )


def _listen(voice: "Voice", slash: "Slash") -> int:
    """Turn after turn, until nothing comes any more; how many lines failed, where nobody saw it."""
    failed, stopped, line = 0, False, ""
    while True:
        try:
            line = ""
            line = voice.hear().strip()
            if line.startswith("/") and not line.startswith("//"):
                if not slash.run(line):
                    break
            elif line:
                _turn(voice, slash.talk, line.removeprefix("/") if line.startswith("//") else line)
            stopped = False
        except EOFError:
            break
        except KeyboardInterrupt:
            if stopped or not voice.alive:
                raise
            interrupt.noticed = False  # dealt with
            stopped = True
            what = "Stopped; nothing was changed. " if line.startswith("/") else "Stopped. " if line else ""
            remark(f"{what}Ctrl-C again or Ctrl-D leaves.")
        except (MonogramError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            failed, stopped = failed + 1, False
            voice.complain(error)
    return 0 if voice.alive else failed


def _turn(voice: "Voice", talk: "Conversation", text: str) -> None:
    left_out = talk.left_out
    who, style = ("base model", "bold yellow") if talk.base else (talk.person.name, "bold green")
    with closing(talk.say(text)) as pieces:
        with voice.thinking():
            first = next(pieces, "")
        if talk.left_out > left_out and not voice.as_json:
            remark(
                "The conversation is longer than the model takes: from here on its oldest "
                f"{talk.left_out} turns are left out. /reset begins anew."
            )
        voice.speak(who, chain([first], pieces), style=style)
    turn = talk.turns[-1]
    told = {"question": turn.question, "answer": turn.answer, "base": talk.base, "left_out": talk.left_out}
    voice.tell({"type": "answer", **told}, *([] if turn.answer else ["(no answer)"]))
