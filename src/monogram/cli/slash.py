"""The commands inside a chat: what begins with a slash."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from monogram.cli.change import announce, confirm_attribute, lines, outcome
from monogram.cli.interrupt import interrupt
from monogram.cli.progress import progress
from monogram.cli.proposals import found_in, review, weighed
from monogram.cli.shared import names, record
from monogram.cli.voice import Voice
from monogram.clusters.group import Same, changes, from_words, reads_same
from monogram.clusters.table import Table, table
from monogram.errors import InputError, unknown
from monogram.preferences import Preference

if TYPE_CHECKING:
    from monogram.conversation import Conversation

COMMANDS: Mapping[str, tuple[str, str]] = {
    "add": (
        "ATTRIBUTE TARGET",
        "add a preference, as in: /add hobby Hiking; or a sentence with I or my in it",
    ),
    "forget": ("WHAT", "forget a preference, by attribute or target"),
    "list": ("", "what is true of the person"),
    "base": (
        "",
        "let the base model answer, which knows nobody, in a conversation of its own; and back again",
    ),
    "reset": ("", "begin the conversation anew; preferences stay"),
    "help": ("", "this list"),
    "quit": ("", "leave; so does Ctrl-D"),
}
_MYSELF = re.compile(r"(?i)\b(i|i'm|i've|my|me|mine|myself|am)\b")


class Slash:
    """Does what a slash command says, in one chat.

    Attributes:
        talk: the conversation that goes on; the other one is at rest.
        other: the base model's, while the person's goes on, and the other way round.
    """

    def __init__(
        self, talk: "Conversation", other: "Conversation", voice: Voice, model: str, *, yes: bool
    ) -> None:
        self.talk, self.other, self.voice, self.model, self.yes = talk, other, voice, model, yes
        self.user = talk.person.name

    def run(self, line: str) -> bool:
        """Do it; whether the chat goes on.

        Raises:
            MonogramError: it cannot be done; the chat can go on.
        """
        name, _, rest = line.strip().removeprefix("/").partition(" ")
        does: dict[str, Callable[[str], None]] = {
            "add": self._add,
            "forget": self._forget,
            "list": self._list,
            "base": self._base,
            "reset": self._reset,
            "help": self._help,
        }
        if name == "quit":
            return False
        if name not in does:
            raise unknown("command", f"/{name}", (f"/{known}" for known in COMMANDS))
        does[name](rest.strip())
        return True

    def completions(self, line: str) -> list[str]:
        """What a line that was begun could become."""
        name, _, begun = line.removeprefix("/").partition(" ")
        words: list[str] = []
        if line.startswith("/") and " " not in line:
            begins = ((known, usage) for known, (usage, _) in COMMANDS.items() if known.startswith(name))
            return [f"/{known}" + " " * bool(usage) for known, usage in begins]
        if name == "add":
            words = [f"{attribute} " for attribute in table().names]
        elif name == "forget":
            words = [word for p in self.talk.person.list() for word in (p.attribute, p.target)]
        return [f"/{name} {word}" for word in words if word.casefold().startswith(begun.casefold())]

    def _add(self, rest: str) -> None:
        person, attributes, quiet = self.talk.person, table(), not self.voice.alive
        words = attribute_and_target(attributes, rest)
        same: Same = reads_same
        wanted: tuple[Preference, ...]
        try:
            if words is None:
                wanted, same = found_in(rest, None, "rules", None, quiet)
                proposals = weighed(person.list(), wanted, same)
                review(self.user, proposals, dry_run=False, yes=self.yes, as_json=quiet)
            else:
                wanted = (from_words(attributes, *words),)
                confirm_attribute(attributes, wanted[0], yes=self.yes, as_json=quiet)
        except (typer.Exit, typer.Abort):  # the answer was no, or Ctrl-C
            interrupt.noticed = False
            return
        steps, left = changes(attributes, person.list(), wanted, same)
        if steps and not self.voice.as_json:
            announce(len(left), self.model)
        with self._working():
            change = person.add_all(wanted, same=same)
        self.voice.tell({"type": "added", **outcome(self.user, change)}, *lines(change))

    def _forget(self, rest: str) -> None:
        if not rest:
            raise InputError("What is to be forgotten? Say /forget hobby, or /forget Hiking.")
        with self._working():
            change = self.talk.person.forget(rest)
        self.voice.tell({"type": "forgotten", **outcome(self.user, change)}, *lines(change))

    def _list(self, _rest: str) -> None:
        present = self.talk.person.list()
        shown = [f"{p.attribute}: {p.target}" for p in present] or [f"Nothing is true of {self.user!r} yet."]
        self.voice.tell({"type": "list", "preferences": [record(p) for p in present]}, *shown)

    def _base(self, _rest: str) -> None:
        self.talk, self.other = self.other, self.talk
        knows = names(self.talk.person.list()) or "nothing yet"
        who = f"{self.user}'s model answers now; it knows {knows}."
        who = "The base model answers now; it knows nobody." if self.talk.base else who
        self.voice.tell({"type": "base", "base": self.talk.base}, who)

    def _reset(self, _rest: str) -> None:
        self.talk.reset()
        self.other.reset()
        self.voice.tell(
            {"type": "reset"}, f"The conversation begins anew. What is true of {self.user!r} stays."
        )

    def _help(self, _rest: str) -> None:
        usages = {f"/{name} {usage}".strip(): what for name, (usage, what) in COMMANDS.items()}
        self.voice.tell(
            {"type": "help", "commands": usages},
            *(f"{usage:22} {what}" for usage, what in usages.items()),
            "Anything else is said to the model; // begins what is to begin with a slash.",
            "Ctrl-C stops an answer, Ctrl-C again leaves.",
        )

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Show how far the compiler is."""
        owner = self.talk.person.owner
        with progress(not self.voice.alive, "Compiling") as bars:
            owner.progress = bars
            try:
                yield
            finally:
                owner.progress = None


def attribute_and_target(attributes: Table, text: str) -> tuple[str, str] | None:
    """The two that `/add` was given; None where it was given a sentence.

    Quotes and a colon part them; else the longest attribute that the table knows, else the first of two
    words. What speaks of I, my or me is a sentence.

    Raises:
        InputError: nothing, or one word alone.
    """
    try:
        quoted = shlex.split(text) if '"' in text else []
    except ValueError:
        quoted = []
    if len(quoted) == 2:
        return quoted[0], quoted[1]
    before, colon, after = text.partition(": ")
    if colon and after.strip() and not _MYSELF.search(before):
        return before.strip(), after.strip()
    words = text.split()
    if len(words) < 2:
        raise InputError("Say what to add: /add hobby Hiking, or a sentence like: /add I like hiking.")
    if _MYSELF.search(text):
        return None
    for n in range(len(words) - 1, 0, -1):
        if attributes.find(" ".join(words[:n])) is not None:
            return " ".join(words[:n]), " ".join(words[n:])
    return (words[0], words[1]) if len(words) == 2 else None
