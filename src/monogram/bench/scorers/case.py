"""An answer with all that a scorer may look at, and the two scorers that need nothing else.

A scorer takes cases and gives a mark for each: True, False, or None where it cannot say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monogram import scoring

Mark = bool | None
Scorer = Callable[[Sequence["Case"]], list[Mark]]


@dataclass(frozen=True)
class Case:
    """One answer to one question about one preference.

    Attributes:
        question, answer: what was asked, and what was said.
        attribute, target, polarity: of the preference, as `Preference` has them.
        at_length: an implicit or product question, to which the bare target is no answer.
    """

    question: str
    answer: str
    attribute: str
    target: str
    polarity: str = "likes"
    at_length: bool = False

    @property
    def beyond(self) -> int:
        """How many words the answer needs beyond the target's."""
        return scoring.BEYOND if self.at_length else 0


def contains(cases: Sequence[Case]) -> list[Mark]:
    """`monogram.scoring.contains` of each."""
    return [scoring.contains(case.target, case.answer) for case in cases]


def recall(cases: Sequence[Case]) -> list[Mark]:
    """`monogram.scoring.recall` of each; None where the target has no telling words."""
    return [
        scoring.recall(
            case.target,
            case.answer,
            question=case.question,
            attribute=case.attribute,
            beyond=case.beyond,
        )
        for case in cases
    ]
