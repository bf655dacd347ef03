"""manifest.json: what a folder's raw outputs were made with, so that nothing else is ever mixed in.

Model, data, choice of items, settings and code must be the same when a run goes on; methods may be added,
but one that is there must come back with the settings it had.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

import monogram
from monogram.bench.machine import machine
from monogram.errors import InputError
from monogram.files import write_text
from monogram.models.editable import EditableModel

FORMAT = 2
GUARDED = ("format", "tasks", "model", "data", "settings", "code")
NOT_MEASURED = ("cli", "serving", "store", "bench/report", "bench/scorers", "bench/rescore.py")
"""Rooms whose code cannot change a result."""


def manifest(
    *,
    tasks: Sequence[str],
    model: EditableModel,
    data: Mapping[str, str],
    settings: Mapping[str, Any],
    methods: Mapping[str, Any],
) -> dict[str, Any]:
    """What this run is made with, as plain data.

    Args:
        tasks: their names.
        model: what is measured; its weights' digest and its chat template are kept.
        data: file name -> sha256.
        settings: what changes answers (protocol, chosen records, longest answer, number of questions).
        methods: name -> settings of the method.
    """
    template = str(getattr(model.tokenizer, "chat_template", None) or "plain")
    made = {
        "format": FORMAT,
        "tasks": list(tasks),
        "model": {
            "name": model.name,
            "digest": model.digest,
            "dtype": str(model.dtype).removeprefix("torch."),
            "template": hashlib.sha256(template.encode("utf-8")).hexdigest(),
        },
        "data": dict(data),
        "settings": plain(settings),
        "code": code_digests(),
        "methods": {name: plain(chosen) for name, chosen in methods.items()},
        "versions": {
            "monogram": monogram.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "threads": torch.get_num_threads(),
        "machine": machine(),
    }
    return dict(json.loads(json.dumps(made)))


def guard(folder: Path, now: Mapping[str, Any]) -> dict[str, Any]:
    """Hold a run against the folder's manifest, and write it there; methods of earlier runs are kept.

    Returns:
        The folder's manifest from now on.

    Raises:
        InputError: the folder holds a run with another model, data, settings or code, or another method
        of the
            same name; nothing is changed then.
    """
    path = folder / "manifest.json"
    before = _read(path)
    if before is None:
        if (folder / "raw.jsonl").exists():
            raise InputError(f"{folder} has raw.jsonl but no manifest.json. Give --out a new folder.")
        kept = dict(now)
    else:
        for what in GUARDED:
            if before.get(what) != now[what]:
                raise InputError(_refusal(folder, what, before.get(what), now[what]))
        for name in sorted(set(before["methods"]) & set(now["methods"])):
            if before["methods"][name] != now["methods"][name]:
                old, new = before["methods"][name], now["methods"][name]
                raise InputError(_refusal(folder, f"method {name!r}", old, new))
        kept = {**now, "methods": {**before["methods"], **now["methods"]}}
    write_json(path, kept)
    return kept


def code_digests() -> dict[str, str]:
    """File of the package's code and data -> sha256 (its first half), the rooms that cannot change a result
    left out.
    """
    root = Path(monogram.__file__).parent
    found = {}
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root)
        if path.suffix in (".py", ".toml", ".txt", ".json", ".jsonl") and not _unmeasured(place.as_posix()):
            found[place.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    return found


def _unmeasured(place: str) -> bool:
    return any(place == room or place.startswith(f"{room}/") for room in NOT_MEASURED)


def plain(value: Any) -> Any:
    """Settings as plain data: dataclasses, mappings and sequences opened, the rest as JSON or text."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        entries: Iterable[Any] = sorted(value) if isinstance(value, set | frozenset) else value
        return [plain(entry) for entry in entries]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {**found, "methods": dict(found["methods"])}
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} is no manifest of a run. Give --out a new folder.") from error


def _refusal(folder: Path, what: str, before: Any, now: Any) -> str:
    """Which entry differs, on one line."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        names = list(dict.fromkeys(n for n in (*before, *now) if before.get(n) != now.get(n)))
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        what = f"{what} ({names[0]}{more})"
        before, now = before.get(names[0]), now.get(names[0])
    return (
        f"{folder} holds results made with another {what}: {_shown(before)}, now {_shown(now)}. "
        "They are not mixed: give --out a new folder, or run what was run there."
    )


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:28]} ... {text[-28:]}"
