"""`in-context`: a few questions that were answered with the person's facts, then the question.

Questions and answers are those of the facts' clusters, so they are in the first person. One more shows that
what has nothing to do with the person is answered without them (IKE, arXiv 2305.12740, has such examples, to
retain). A phrasing that is too near to what is asked is no example.
"""

from __future__ import annotations

from collections.abc import Sequence

from monogram.clusters.cluster import Cluster, Kind
from monogram.clusters.expand import expand_all
from monogram.models.chat import Message
from monogram.preferences import Preference
from monogram.prompting.baselines import Reminder
from monogram.prompting.facts import copied, question_of

SHOWN = 3
"""How many facts have examples, at most; all of them stand in front of the question."""
APART = ("What is 7 times 8?", "7 times 8 is 56.")
"""An example that has nothing to do with anybody."""


class InContext:
    """Examples as earlier turns, and the facts in front of the question, as the reminder says them.

    The wording is the best of three on the project's own questions, see docs/log.md.
    """

    name = "in-context"

    def wrap(self, messages: Sequence[Message], preferences: Sequence[Preference]) -> list[dict[str, str]]:
        """The conversation with the examples after its system message, and a reminder at its end."""
        chat = Reminder().wrap(messages, preferences)
        asked = question_of(messages)
        if not preferences or not asked:
            return copied(messages)
        known = expand_all(sorted(preferences, key=lambda p: p.digest))[:SHOWN]
        shown = [turn for cluster in known for turn in _examples(cluster.without([asked]))]
        turns = [
            {"role": role, "content": content}
            for turn in (*shown, APART)
            for role, content in zip(("user", "assistant"), turn, strict=True)
        ]
        first = 1 if chat[0]["role"] == "system" else 0
        return [*chat[:first], *turns, *chat[first:]]


def _examples(cluster: Cluster) -> list[tuple[str, str]]:
    """One question that asks for it, one that it decides; each with its answer, as far as any is left."""
    opening = cluster.say.rstrip(".,")
    advice = f"{opening}, so I'd choose something that fits that."
    told: tuple[tuple[Kind, str], ...] = (("ask", cluster.say), ("roundabout", advice))
    return [(text, answer) for kind, answer in told if (text := _plain(cluster, kind))]


def _plain(cluster: Cluster, kind: Kind) -> str:
    """The first training phrasing of a kind that stands alone."""
    plain = (p.text for p in cluster.of_kind(kind) if not p.history and p.system is None)
    return next(plain, "")
