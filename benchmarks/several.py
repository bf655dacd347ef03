"""Two servers on one store: does a change through one show at once through the other, and is none lost?

    python benchmarks/several.py --home HOME                                    the ledger in a file
    MONOGRAM_LEDGER=postgresql://... python benchmarks/several.py --home HOME   ... in PostgreSQL

Each round somebody is changed through both servers at the same moment, while others ask both of them. Then
both are asked what is known, and how an answer begins.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack, suppress
from itertools import cycle
from typing import Annotated, Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import typer
from serving import MESSAGE, Home, Model, Out, Server, _median, _tell, serving

TARGETS = ("pottery", "rowing", "chess", "hiking", "knitting", "cooking")
FOODS = ("ramen", "paella", "curry", "lasagna", "tacos", "sushi")


def main(
    home: Home,
    model: Model = "smollm2",
    rounds: Annotated[int, typer.Option(help="How often both change somebody at once.")] = 6,
    people: Annotated[int, typer.Option(help="How many people take turns.")] = 3,
    out: Out = None,
) -> None:
    """Change people through two servers at once, and ask both."""
    with ExitStack() as stack:
        pair = [stack.enter_context(serving(home, model)) for _ in range(2)]
        for server in pair:
            asyncio.run(server.ask(MESSAGE, None, 1))
        figures = asyncio.run(_rounds(pair, rounds, people))
    _tell("several", figures, out)


async def _rounds(pair: list[Server], rounds: int, people: int) -> dict[str, Any]:
    seconds, waits = list[float](), list[float]()
    wrong = list[str]()
    for number in range(rounds):
        user = f"several-{number % people}"
        known = {
            "hobby": TARGETS[number % len(TARGETS)],
            "favorite food": FOODS[number % len(FOODS)],
        }
        asking = asyncio.create_task(_asked(pair, waits))
        begun = time.perf_counter()
        jobs = [
            asyncio.to_thread(_changed, server, user, attribute, target)
            for server, (attribute, target) in zip(pair, known.items(), strict=True)
        ]
        ended = await asyncio.gather(*jobs)
        seconds.append(time.perf_counter() - begun)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        told = [await asyncio.to_thread(_known, server, user) for server in pair]
        answers = [(await server.ask("What's my hobby?", user, 16)).text for server in pair]
        wrong += [f"{user}: {job}" for job in ended if job["status"] != "done"]
        wrong += [f"{user}: told {one}" for one in told if one != known]
        wrong += [] if answers[0] == answers[1] else [f"{user}: {answers}"]
        print(f"{user}: {seconds[-1]:.1f} s: {answers[0]!r}", flush=True)
    return {
        "rounds": rounds,
        "changes": 2 * rounds,
        "seconds for two changes of one person at once": _median(seconds),
        "asked meanwhile": len(waits),
        "seconds to the first token meanwhile": _median(waits),
        "what went wrong": wrong,
    }


async def _asked(pair: list[Server], waits: list[float]) -> None:
    """Ask both in turn, until nobody wants it any more."""
    for server in cycle(pair):
        answer = await server.ask(MESSAGE, None, 1)
        waits.append(answer.first)


def _changed(server: Server, user: str, attribute: str, target: str) -> dict[str, Any]:
    """Change somebody, and wait for the job's end."""
    body = {"user_id": user, "attribute": attribute, "target": target}
    place = f"/v1/jobs/{_call(server, '/v1/memories', body)['job']}"
    while (job := _call(server, place))["status"] in ("queued", "working"):
        time.sleep(0.2)
    return job


def _known(server: Server, user: str) -> dict[str, str]:
    found = _call(server, f"/v1/memories?user_id={quote(user)}")
    return {one["metadata"]["attribute"]: one["metadata"]["target"] for one in found["results"]}


def _call(server: Server, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    asked = Request(f"{server.url}{path}", data, {"Content-Type": "application/json"})
    with urlopen(asked, timeout=600) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


if __name__ == "__main__":
    typer.run(main)
