"""How an answer begins that a preference decides, so that it is safe to say."""

from __future__ import annotations

from monogram.clusters.table import table
from monogram.preferences import Preference


def suggest(preference: Preference, said: str) -> str:
    """How advice begins that the preference decides: what is avoided is said so that it is safe to say."""
    if preference.polarity != "avoids":
        return said
    attribute = table().find(preference.attribute)
    if attribute is None or not attribute.free:
        return f"Since you avoid {preference.target},"
    return f"Keeping it {free_of(preference.target)},"


def free_of(avoided: str) -> str:
    """What has none of something: "Peanuts" -> "peanut-free", "Cat hair" -> "free of cat hair"."""
    plain = avoided if avoided.isupper() else avoided[:1].lower() + avoided[1:]
    if len(plain.split()) > 1:
        return f"free of {plain}"
    single = plain[:-1] if plain.endswith("s") and not plain.endswith(("ss", "us")) else plain
    return f"{single}-free"
