"""A folder that `ollama create` takes: the base model and an adapter as GGUF files, and the Modelfile.

    base.gguf  adapter.gguf  Modelfile

Ollama knows the chat templates of some models by heart, and gives others none at all; so the Modelfile says
the template, written out from what the tokenizer's own template puts around each message. A template that
cannot be said so (it folds the system message into the user's, say) is left to Ollama, and the Modelfile
tells. The default system message is a SYSTEM line, which Ollama uses as chat templates do: where a
conversation brings none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from jinja2.exceptions import TemplateError

from monogram.delta import Delta
from monogram.errors import AdapterFileError
from monogram.files import aside, need_room
from monogram.models.chat import OPENING, PLAIN_STOPS, Message, plain_chat
from monogram.models.editable import EditableModel
from monogram.models.gguf_base import check_base
from monogram.models.gguf_lora import ADAPTER, refuse_other, write

BASE, MODELFILE = "base.gguf", "Modelfile"
_ROLES = ("system", "user", "assistant", "user")
_MARKS = ("@@one@@", "@@two@@", "@@three@@", "@@four@@")


@dataclass(frozen=True)
class Turns:
    """What a chat template puts around messages.

    Attributes:
        around: role -> what stands before and after its text.
        opening: where the answer starts.
        default: the text of the system message that a conversation without one is given; empty: none.
    """

    around: Mapping[str, tuple[str, str]]
    opening: str
    default: str

    def said(self, chat: Sequence[Message]) -> str:
        """A conversation in these turns, up to where the answer starts."""
        if self.default and chat[0]["role"] != "system":
            chat = [{"role": "system", "content": self.default}, *chat]
        parts = (m["content"].join(self.around[m["role"]]) for m in chat)
        return "".join(parts) + self.opening


def save_ollama(
    model: EditableModel,
    delta: Delta,
    base: Path,
    folder: Path,
    *,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write the folder, whole or not at all; one that holds nothing else is replaced.

    Args:
        base: the base model's GGUF file, which is linked where the disk can do that, else copied.
        about: as of `gguf_lora.save_gguf`.

    Raises:
        InputError, BaseMismatchError: as `check_base`.
        AdapterFileError: the folder holds something else, or cannot be written.
        DiskFullError: no room; nothing is left behind.
    """
    refuse_other(folder, (BASE, ADAPTER, MODELFILE))
    check_base(model, delta, base)
    try:
        with aside(folder, replace=True) as work:
            _place(base, work / BASE)
            write(model, delta, work / ADAPTER, about=about)
            (work / MODELFILE).write_text(modelfile(model, adds_bos=_adds_bos(base)), encoding="utf-8")
    except OSError as error:
        raise AdapterFileError(f"The folder {folder} could not be written: {error}") from error


def modelfile(model: EditableModel, *, adds_bos: bool = False) -> str:
    """The Modelfile's text. Answers are greedy, as ours are, and end where ours do.

    Args:
        adds_bos: whether llama.cpp puts the first token there by itself; then the template must not.
    """
    lines = [f"FROM ./{BASE}", f"ADAPTER ./{ADAPTER}", "PARAMETER temperature 0"]
    ends = [str(model.tokenizer.convert_ids_to_tokens(i)) for i in sorted(model.eos_ids)]
    ends += [] if model.has_template else [stop.strip() for stop in PLAIN_STOPS]
    lines += [f'PARAMETER stop "{end}"' for end in ends if '"' not in end]
    found = turns(model, adds_bos=adds_bos)
    if found is None:
        lines.append("# No TEMPLATE: the model's own is not one turn after the other. Ollama must know it.")
        return "\n".join(lines) + "\n"
    lines.append(f'TEMPLATE """{_template(found)}"""')
    lines += [f'SYSTEM """{found.default}"""'] if found.default else []
    return "\n".join(lines) + "\n"


def turns(model: EditableModel, *, adds_bos: bool = False) -> Turns | None:
    """What the model's chat template puts around messages; None where it is not one turn after the other."""
    chat = [{"role": role, "content": mark} for role, mark in zip(_ROLES, _MARKS, strict=True)]
    first = str(model.tokenizer.bos_token or "") if adds_bos else ""

    def text(of: Sequence[Message], *, answer: bool = False) -> str:
        return _rendered(model, of, answer=answer).removeprefix(first)

    try:
        whole = text(chat)
        head, *parts = _split(whole, _MARKS)
        (_, after_system) = _split(text(chat[:1]), _MARKS[:1])
        opening = text(chat, answer=True).removeprefix(whole)
        before_user = parts[0].removeprefix(after_system)
        around = {
            "system": (head, after_system),
            "user": (before_user, parts[3]),
            "assistant": (parts[1].removeprefix(parts[3]), parts[2].removesuffix(before_user)),
        }
        start = _split(text(chat[1:2]), _MARKS[1:2])[0].removesuffix(before_user)
        default = start.removeprefix(head).removesuffix(after_system)
        found = Turns(around, opening, default)
        chats = (chat, chat[:2], chat[1:2], chat[1:])
        holds = all(found.said(c) == text(c, answer=True) for c in chats)
    except (TemplateError, ValueError):
        return None
    texts = "".join((default, opening, *chain(*around.values())))
    return found if holds and not any(mark in texts for mark in ("{{", "}}", '"""')) else None


def _split(text: str, marks: Sequence[str]) -> list[str]:
    """What stands around marks that follow each other; ValueError where one is not there just once."""
    parts = []
    for mark in marks:
        if text.count(mark) != 1:
            raise ValueError(mark)
        before, text = text.split(mark)
        parts.append(before)
    return [*parts, text]


def _rendered(model: EditableModel, chat: Sequence[Message], *, answer: bool = False) -> str:
    """A conversation as the model reads it, up to where the answer starts, or without that."""
    if not model.has_template:
        text = plain_chat(chat)
        return text if answer else text.removesuffix(OPENING)
    return str(
        model.tokenizer.apply_chat_template(
            list(chat), tokenize=False, add_generation_prompt=answer, enable_thinking=False
        )
    )


def _template(found: Turns) -> str:
    """Ollama's template, in Go's language."""
    roles = "{{ else ".join(
        f'if eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{after}'
        for role, (before, after) in found.around.items()
    )
    return f"{{{{ range .Messages }}}}{{{{ {roles}{{{{ end }}}}{{{{ end }}}}{found.opening}"


def _adds_bos(base: Path) -> bool:
    """Whether llama.cpp begins a text with the first token by itself, for this file."""
    from gguf import GGUFReader, Keys

    reader = GGUFReader(base)
    says, kind = reader.get_field(Keys.Tokenizer.ADD_BOS), reader.get_field(Keys.Tokenizer.MODEL)
    if says is not None:
        return bool(says.contents())
    return kind is not None and kind.contents() == "llama"


def _place(base: Path, target: Path) -> None:
    """The same file under another name, without another copy where the disk can do that."""
    try:
        os.link(base.resolve(), target)
    except OSError:
        need_room(target.parent, base.stat().st_size)
        shutil.copyfile(base, target)
