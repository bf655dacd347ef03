"""Cluster: the phrasings that stand for one preference.

    train            the user asks for it, or asks something that it decides; the detector learns these
    probe            the same kinds, never trained: the receipt asks these
    contrast         look-alikes that must not change: other people, the assistant, definitions
    contrast_probe   look-alikes, never trained

Plain data; knows no model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

from monogram.preferences import Preference

Kind = Literal["ask", "roundabout", "recommend", "contrast", "definition"]
KINDS: tuple[Kind, ...] = ("ask", "roundabout", "recommend")


@dataclass(frozen=True)
class Phrasing:
    """One way a conversation may stand when the answer is about to start.

    Attributes:
        text: what the user says last.
        kind: `ask` (asks for the attribute), `roundabout` (asks for advice it decides), `recommend` (asks for
            products), `contrast` (what must not change), `definition` (of these: asks what the word means).
        history: earlier turns, (role, content).
        system: a system prompt; None leaves the model's default.
        target: what it is answered with, where that is another wording than the preference's target.
    """

    text: str
    kind: Kind
    history: tuple[tuple[str, str], ...] = ()
    system: str | None = None
    target: str | None = None

    def messages(self) -> list[dict[str, str]]:
        """The conversation as chat messages, the user's text last."""
        first = [] if self.system is None else [{"role": "system", "content": self.system}]
        turns = [{"role": role, "content": content} for role, content in self.history]
        return [*first, *turns, {"role": "user", "content": self.text}]


@dataclass(frozen=True)
class Cluster:
    """What stands for one preference.

    Attributes:
        preference: the preference.
        train: phrasings that train.
        probe: phrasings of the same intents that never train.
        contrast: phrasings that must not change.
        contrast_probe: the same, never trained.
        say: how an answer opens that the preference decides, a full sentence with the target in it.
        variants: other wordings of the target; they only score.
        dropped: how many phrasings `without` took out.
        asked, similarity: what `without` was given; `allows` holds other phrasings against it.
    """

    preference: Preference
    train: tuple[Phrasing, ...]
    probe: tuple[Phrasing, ...]
    contrast: tuple[Phrasing, ...]
    contrast_probe: tuple[Phrasing, ...]
    say: str
    variants: tuple[str, ...] = ()
    dropped: int = 0
    asked: tuple[str, ...] = ()
    similarity: float = 1.0

    def of_kind(self, kind: Kind) -> tuple[Phrasing, ...]:
        """The training phrasings of one kind."""
        return tuple(p for p in self.train if p.kind == kind)

    def opening(self, phrasing: Phrasing) -> str:
        """How the answer to a phrasing opens: `say`, with the phrasing's own target in it."""
        other = phrasing.target
        if other is None:
            return self.say
        whole = re.compile(re.escape(self.preference.target), re.IGNORECASE)
        return whole.sub(lambda _: other, self.say, count=1)

    def without(self, texts: Iterable[str], similarity: float = 0.9) -> Cluster:
        """The cluster without training phrasings that equal an evaluated text or are too near to one.

        Args:
            texts: the questions that are going to be asked.
            similarity: shared share of words (Jaccard, of normalised word sets), 0 to 1, from which on a
                phrasing goes. Equal after normalisation goes always.
        """
        kept = replace(self, asked=tuple(dict.fromkeys((*self.asked, *texts))), similarity=similarity)
        train = tuple(p for p in self.train if kept.allows(p.text))
        contrast = tuple(p for p in self.contrast if kept.allows(p.text))
        gone = len(self.train) - len(train) + len(self.contrast) - len(contrast)
        return replace(kept, train=train, contrast=contrast, dropped=self.dropped + gone)

    def allows(self, text: str) -> bool:
        """Whether a text may be trained on: it is none of the questions that `without` was given."""
        own = _bag(text)
        for size, bags in self._asked_by_size.items():
            if own in bags:
                return False
            small, large = sorted((len(own), size))
            alike = large and small / large >= self.similarity  # as much as two such bags can share
            if alike and any(overlap(own, bag) >= self.similarity for bag in bags):
                return False
        return True

    @cached_property
    def _asked_by_size(self) -> dict[int, set[frozenset[str]]]:
        """The bags of what is asked, by their size: whole data sets are asked, and few can be near."""
        found: dict[int, set[frozenset[str]]] = {}
        for bag in map(_bag, self.asked):
            found.setdefault(len(bag), set()).add(bag)
        return found


@lru_cache(maxsize=20_000)
def _bag(text: str) -> frozenset[str]:
    return frozenset(words(text))


def words(text: str) -> list[str]:
    """The words of a text, normalised: lower case, no punctuation, "whats" for "what's"."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("'", "").replace("\u2019", "")
    return re.findall(r"\w+", plain)


def bare(text: str) -> str:
    """Its words alone: the same of texts that differ in capitals and marks."""
    return " ".join(words(text))


def typed(text: str) -> str:
    """A text as one types it in a hurry: no capitals and few marks. Its `words` stay, so what leaves
    a question out of training leaves this form of it out, too.
    """
    plain = text.replace("'", "").replace("\u2019", "").lower()
    return " ".join(re.sub('[",.!?]', " ", plain).split())


def overlap(one: Iterable[str], other: Iterable[str]) -> float:
    """Jaccard similarity of two word sets, 0 to 1."""
    a, b = set(one), set(other)
    return len(a & b) / len(a | b) if a | b else 0.0
