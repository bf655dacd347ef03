"""How an answer opens: with the preference, in one sentence for every question, direct or for advice."""

from __future__ import annotations

from monogram.clusters.table import Attribute
from monogram.preferences import Preference


def opening(preference: Preference, attribute: Attribute, *, several: bool = False) -> str:
    """The sentence. Of what is avoided it denies before it names: a value that fires by half says its first
    words alone, and "Horror movies are" goes on as praise (docs/log.md).

    Args:
        attribute: what it is of.
        several: whether its target is several values in one.
    """
    target = preference.target
    if preference.polarity != "avoids":
        return attribute.said(target, several=several)
    return f"You avoid {target if target.isupper() else target[:1].lower() + target[1:]}."
