"""A million people on an 8B model: what is stored, who waits for an adapter, how many replicas, their cost.

    python benchmarks/scale.py measure --home HOME --out FILE    adapters, ledger, gateway: measured here
    python benchmarks/scale.py simulate                          waits against adapters in memory
    python benchmarks/scale.py plan                              storage, replicas, compiling, cost

`simulate` and `plan` read what was measured (`--measured`; benchmarks/scale.json where nothing is said) and
take the rest as options. Every option whose help says "Assumed" was measured nowhere in this project.
docs/scale.md says what came out.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from traffic import Asked, Crowd, Replicas, needed, simulate

ARTEFACT = 4 * 4096 * 8
"""Bytes that are kept of a preference's compiling: four vectors of the model's width, float64."""
HOURS, DAY = 730.0, 86_400.0
"""Of a month; seconds of a day."""
app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)


def assumed(text: str, **more: Any) -> Any:
    """An option that was measured nowhere."""
    return typer.Option(help=f"Assumed. {text}", **more)


Out = Annotated[Path | None, typer.Option(help="Write what was found to this file, as JSON.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")]
Measured = Annotated[Path, typer.Option(help="What `measure` wrote.")]
People = Annotated[int, typer.Option(help="Everybody.")]
Preferences = Annotated[int, assumed("Preferences of a person: 1, 10 or 50, as measured.")]
Dtype = Annotated[str, typer.Option(help="How adapters are stored: float32, as today, or bfloat16.")]
Active = Annotated[float, assumed("Share of the people who come on a day.")]
Requests = Annotated[float, assumed("Requests of one who comes, a day.")]
Peak = Annotated[float, assumed("The busiest hour's rate over the day's mean.")]
Tokens = Annotated[int, assumed("Tokens of an answer.")]
TokenSeconds = Annotated[float, assumed("Seconds a token, with all of a replica's places taken.")]
First = Annotated[float, assumed("Seconds to an answer's first token, adapter there.")]
AtOnce = Annotated[int, assumed("Answers, and people, that a replica has in one batch (`--max-loras`).")]
Full = Annotated[float, assumed("Share of the places that may be taken at the peak, on the mean.")]
HERE = Path(__file__).with_name("scale.json")


@app.command()
def measure(
    home: Annotated[Path, typer.Option(help="A folder of the benchmark's own; the model is fetched there.")],
    model: str = "smollm2",
    times: Annotated[int, typer.Option(help="Repeats of what is timed.")] = 15,
    ledger_people: int = 20_000,
    preferences: Annotated[int, typer.Option(help="Of each person in the ledger.")] = 10,
    folder_people: int = 100_000,
    tokens: int = 250,
    at_once: int = 64,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Measure what can be measured without a GPU."""
    import measured
    import torch

    figures: dict[str, Any] = {"machine": measured.machine(), "adapters": {}}
    for dtype in (torch.float32, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        figures["adapters"][name] = {n: measured.adapters(n, dtype, times) for n in (1, 10, 50)}
    figures["bytes of a name at a replica"] = measured.names()
    figures["folders"] = measured.folders(folder_people)
    figures["gateway"] = measured.gateway(home, model, tokens, at_once, 10 * times)
    one, two = (figures["gateway"]["bytes of a receipt, by preferences"][n] for n in (1, 2))
    receipt = measured.Receipt(one, two - one)
    with TemporaryDirectory(prefix="monogram-") as aside:
        place = Path(aside, "ledger.sqlite")
        figures["sqlite"] = measured.ledger(place, ledger_people, preferences, receipt)
    figures["postgresql"] = _postgres(ledger_people, preferences, receipt)
    _tell(figures, out, as_json)


@app.command("simulate")
def simulated(
    measured: Measured = HERE,
    people: People = 1_000_000,
    preferences: Preferences = 10,
    dtype: Dtype = "float32",
    active: Active = 0.1,
    requests_a_day: Requests = 20.0,
    peak: Peak = 3.0,
    exponent: Annotated[float, assumed("How unequal people are (Zipf); 0: all alike.")] = 1.0,
    shift: Annotated[float, assumed("How flat it is at the top, as a share of who comes.")] = 0.01,
    turns: Annotated[int, assumed("Requests of a conversation.")] = 5,
    pause: Annotated[float, assumed("Mean seconds between two of them.")] = 60.0,
    tokens: Tokens = 250,
    token_seconds: TokenSeconds = 0.03,
    first: First = 0.3,
    at_once: AtOnce = 64,
    full: Full = 0.7,
    fetch: Annotated[float, assumed("Seconds for an object store to begin to answer, three files.")] = 0.1,
    engine: Annotated[float, assumed("Seconds for an engine to take an adapter from a file.")] = 0.05,
    held: Annotated[list[int] | None, typer.Option(help="Adapters in a replica's memory.")] = None,
    files: Annotated[int, typer.Option(help="Adapters in a replica's files; 0: none ever goes.")] = 0,
    replicas: Annotated[int, typer.Option(help="0: as many as the answers need.")] = 0,
    count: Annotated[int, typer.Option(help="Requests; the first half fills the memories.")] = 1_000_000,
    seed: int = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Who waits for an adapter at the busiest hour, against how many a replica holds."""
    adapter = _read(measured)["adapters"][dtype][str(preferences)]
    put = adapter["seconds to put into a replica's files"]["fsspec memory"]
    come, rate = round(people * active), people * active * requests_a_day * peak / DAY
    answer = first + tokens * token_seconds
    number = replicas or needed(rate, answer, at_once, full)
    asked = Crowd(come, rate, exponent, shift * come, turns, pause).asked(count, seed)
    rows, machines = list[dict[str, Any]](), Replicas()
    for size in held or (256, 512, 1024, 4096, come):
        machines = Replicas(number, size, files, fetch + put, engine, answer, at_once)
        row = simulate(asked, machines, seed=seed).figures(machines)
        row["memory, MB"] = round(size * _bfloat16(measured, preferences) / 1e6)
        row["files, MB"] = round(row["adapters in files, each replica"] * adapter["bytes"] / 1e6)
        rows.append(row)
    middle = asked.times[len(asked.times) // 2]  # conversations are going on then
    soon = (asked.times >= middle) & (asked.times < middle + 300)
    begun = simulate(Asked(asked.times[soon], asked.people[soon]), machines, seed=seed, warm=0)
    figures = {
        "people who come": come,
        "requests a second": round(rate, 1),
        "replicas": number,
        "hours simulated": round(float(asked.times[-1]) / 3600, 1),
        "different people in it": len(set(asked.people.tolist())),
        "share of the busiest": float(f"{Crowd(come, rate, exponent, shift * come).weights()[0]:.2g}"),
        "all replicas empty in the middle of it, the first five minutes": begun.figures(machines),
        "against adapters in memory": rows,
    }
    _tell(figures, out, as_json)


@app.command()
def plan(
    measured: Measured = HERE,
    people: People = 1_000_000,
    preferences: Preferences = 10,
    dtype: Dtype = "float32",
    active: Active = 0.1,
    requests_a_day: Requests = 20.0,
    peak: Peak = 3.0,
    tokens: Tokens = 250,
    token_seconds: TokenSeconds = 0.03,
    first: First = 0.3,
    at_once: AtOnce = 64,
    rank: Annotated[int, typer.Option(help="`--max-lora-rank` of the replicas.")] = 64,
    full: Full = 0.7,
    changes: Annotated[float, assumed("Preferences that a person adds or changes, a month.")] = 2.0,
    compile_seconds: Annotated[float, assumed("GPU seconds of a change, checks included.")] = 20.0,
    gpu_hour: Annotated[float, assumed("Price of a GPU for an hour.")] = 2.5,
    gb_month: Annotated[float, assumed("Price of a GB of object store for a month.")] = 0.023,
    database_gb_month: Annotated[float, assumed("Price of a GB of the database's disk.")] = 0.12,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Storage, replicas, compiling and cost, by arithmetic."""
    found = _read(measured)
    adapter = found["adapters"][dtype]
    one, more = adapter["1"]["bytes"], (adapter["50"]["bytes"] - adapter["1"]["bytes"]) / 49
    each = one + more * (preferences - 1)
    history = sum(one + more * number for number in range(preferences))
    artefacts = ARTEFACT * preferences
    rows = found["postgresql"] or found["sqlite"]
    rate = people * active * requests_a_day * peak / DAY
    answer = first + tokens * token_seconds
    replicas = needed(rate, answer, at_once, full)
    a_day = people * changes / 30.4
    compilers = max(1, math.ceil(a_day * peak * compile_seconds / DAY))
    passes = next(value for name, value in found["gateway"].items() if name.startswith("tokens a second"))
    money = {
        "answers": replicas * HOURS * gpu_hour,
        "compiling": a_day * 30.4 * compile_seconds / 3600 * gpu_hour,
        "adapters, every version": people * history * gb_month / 1e9,
        "artefacts": people * artefacts * gb_month / 1e9,
        "ledger": people * rows["bytes for each person"] * database_gb_month / 1e9,
    }
    figures = {
        "adapters, present versions, TB": _rounded(people * each / 1e12),
        "adapters, every version, one preference added at a time, TB": _rounded(people * history / 1e12),
        "artefacts, TB": _rounded(people * artefacts / 1e12),
        "ledger, TB": _rounded(people * rows["bytes for each person"] / 1e12),
        "folders of adapters, million": _rounded(people * preferences / 1e6),
        "requests a second, mean and peak": [_rounded(rate / peak), _rounded(rate)],
        "replicas": replicas,
        "GPU memory for adapters of a replica, MB": round(
            at_once * rank * _bfloat16(measured, 50) / 50 / 1e6
        ),
        "ledger look-ups a second at the peak": _rounded(rate),
        "gateway processes at the peak": max(1, math.ceil(rate * tokens / passes)),
        "changes a day": round(a_day),
        "changes a second at the peak": _rounded(a_day * peak / DAY),
        "GPUs that compile at the peak": compilers,
        "money a month": {name: round(value) for name, value in money.items()},
        "money for a person and month": _rounded(sum(money.values()) / people),
    }
    _tell(figures, out, as_json)


@app.command(hidden=True)
def canned(base_digest: str) -> None:
    """A replica that has its answers ready, for `measure`."""
    import measured

    measured.replica(base_digest)


def _postgres(people: int, preferences: int, receipt: Any) -> dict[str, Any] | None:
    """The same as for SQLite, on a server of the tests' kind; None where there is none."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    import measured

    from tests.store.server import OWNER, Server, programs

    if programs() is None:
        return None
    with Server() as server:
        server.run(OWNER, "ALTER SYSTEM SET fsync = on")  # the tests do without
        server.run(OWNER, "SELECT pg_reload_conf()")
        return measured.ledger(server.database(), people, preferences, receipt)


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _bfloat16(measured: Path, preferences: int) -> float:
    """Bytes of an adapter as an engine holds it."""
    return float(_read(measured)["adapters"]["bfloat16"][str(preferences)]["bytes"])


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _tell(figures: dict[str, Any], out: Path | None, as_json: bool) -> None:
    text = json.dumps(figures, indent=2)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    if as_json:
        print(text)
        return
    for name, value in figures.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print(f"{name}:")
            for row in value:
                print("  " + "; ".join(f"{key} {each}" for key, each in row.items()))
        else:
            print(f"{name}: {value}")


if __name__ == "__main__":
    app()
