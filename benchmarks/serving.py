"""The server under load, on a real model: answers, throughput, first tokens, memory.

    python benchmarks/serving.py people --home HOME      people to ask about: some minutes, once
    python benchmarks/serving.py together --home HOME    64 at once: the same answers as alone? how fast?
    python benchmarks/serving.py many --home HOME        10,000 people, 64 in memory: errors, memory, waits
    python benchmarks/serving.py growth --home HOME      0, 10, 50 preferences, beside as many in the prompt
    python benchmarks/serving.py shared --home HOME      what a common system prompt costs, and would, shared

Each but the last starts a server of its own (`monogram serve`) and asks it with OpenAI's client. Each prints
a table and, with --out, appends a line of JSON. What is compared is compared in one run, turn and turn about.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from openai import AsyncOpenAI
from transformers import DynamicCache

import monogram
from monogram.delta import Delta
from monogram.models.attach import attach
from monogram.models.below import answered, recorded
from monogram.people import Personalizer
from monogram.preferences import Preference

KNOWN = (
    ("hobby", "pottery"),
    ("job", "a baker"),
    ("pet", "a parrot"),
    ("favorite food", "ramen"),
    ("home city", "Lisbon"),
    ("favorite sport", "rowing"),
    ("favorite color", "green"),
    ("diet", "vegan"),
)
"""What is compiled for real; larger crowds share these monograms."""
QUESTIONS = (
    "What's my hobby?",
    "What should I cook tonight?",
    "Tell me about the moon.",
    "What do I do for a living?",
    "Plan a free afternoon for me.",
    "How does a bicycle stay upright?",
    "What pet do I have?",
    "Where do I live?",
)
COMMON = "You are the helpful assistant of a large company, and you answer politely and briefly. "
MESSAGE = "Tell me at length what I could do on a free afternoon."
app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)
Home = Annotated[Path, typer.Option(help="A folder of the benchmark's own; models are fetched into it.")]
Out = Annotated[Path | None, typer.Option(help="Append the figures to this file, as a line of JSON.")]
Model = Annotated[str, typer.Option()]


@dataclass(frozen=True)
class Kept:
    """A change as the store takes it."""

    delta: Delta
    base_digest: str
    editor: str = "neuron"
    settings: str = ""
    receipt: None = None


@app.command()
def people(home: Home, model: Model = "smollm2", crowd: int = 10_000) -> None:
    """Make the people: some compiled for real, a crowd that shares what was compiled, and two with more."""
    base = monogram.load(model, home=home)
    made = []
    for number, (attribute, target) in enumerate(KNOWN):
        person = base.user(f"real-{number}")
        if not person.list():
            person.add(attribute=attribute, target=target)
        made.append((person.list()[0], person.delta()))
        print(f"{person.name}: {attribute}: {target}", flush=True)
    held = set(base.users())
    everything = [delta for _, delta in made] * 7
    for count in (10, 50):
        total = Delta.zero()
        for delta in everything[:count]:
            total = total + delta * (len(KNOWN) / count)
        _keep(base, f"rank-{count}", made[0][0], total, held)
    for number in range(crowd):
        _keep(base, f"crowd-{number}", *made[number % len(made)], held)
        if number % 1000 == 999:
            print(f"{number + 1} of {crowd} people", flush=True)


@app.command()
def together(
    home: Home, model: Model = "smollm2", number: int = 64, tokens: int = 48, out: Out = None
) -> None:
    """Ask for so many people at once, and each of them alone."""
    asked = [(f"crowd-{n}", QUESTIONS[n // len(KNOWN) % len(QUESTIONS)]) for n in range(number)]
    with serving(home, model, "--rows", str(number)) as server:

        def crowd(personal: bool) -> tuple[list[str], float]:
            begun = time.perf_counter()
            asks = [server.ask(text, user if personal else None, tokens) for user, text in asked]
            found = asyncio.run(_all(asks))
            return [one.text for one in found], sum(one.tokens for one in found) / (
                time.perf_counter() - begun
            )

        crowd(True)
        turns = [(crowd(True), crowd(False)) for _ in range(3)]
        alone = [asyncio.run(server.ask(text, user, tokens)).text for user, text in asked]
    at_once = turns[0][0][0]
    differ = [n for n in range(number) if at_once[n] != alone[n]]
    gaps = [_gap(home, model, *asked[n], at_once[n], alone[n]) for n in differ]
    figures = {
        "people": number,
        "the same as alone": number - len(differ),
        "gaps of the top two logits where they part": [round(gap, 5) for gap in gaps],
        "tokens per second, personal": _median([personal for (_, personal), _ in turns]),
        "tokens per second, base model": _median([plain for _, (_, plain) in turns]),
        "ratio": _median([personal / plain for (_, personal), (_, plain) in turns]),
        "the same answer in every turn": all(turn[0][0] == at_once for turn in turns),
    }
    _tell("together", figures, out)


@app.command()
def many(
    home: Home, model: Model = "smollm2", requests: int = 1000, resident: int = 64, out: Out = None
) -> None:
    """Ask for random people of a crowd that does not fit into memory, and for some that do."""
    base = monogram.load(model, home=home)
    crowd = [user for user in base.users() if user.startswith("crowd-")]
    each = base.user(crowd[0]).delta().nbytes
    rng = random.Random(0)
    few = rng.sample(crowd, resident // 2)
    del base
    megabytes = max(1, round(resident * each / 1e6))
    with serving(home, model, "--memory", str(megabytes)) as server:
        for user in few:
            asyncio.run(server.ask(MESSAGE, user, 1))
        cold, warm, memory = list[float](), list[float](), list[int]()
        for turn in range(requests):
            for users, waits in ((crowd, cold), (few, warm)) if turn % 2 else ((few, warm), (crowd, cold)):
                waits.append(asyncio.run(server.ask(MESSAGE, rng.choice(users), 1)).first)
            if turn % 50 == 0:
                memory.append(server.memory())
        server.ready()
    figures = {
        "people in the store": len(crowd),
        "requests of random people": requests,
        "deltas in memory, megabytes": megabytes,
        "bytes of a delta": each,
        "errors": 0,  # the first one would have ended this
        "seconds to the first token, random people": _median(cold),
        "seconds to the first token, people in memory": _median(warm),
        "ratio": _median(cold) / _median(warm),
        "memory of the server, MB, first fifth and last": [
            round(statistics.median(part) / 1e6)
            for part in (memory[: len(memory) // 5], memory[-len(memory) // 5 :])
        ],
    }
    _tell("many", figures, out)


@app.command()
def growth(home: Home, model: Model = "smollm2", requests: int = 200, out: Out = None) -> None:
    """Time the first token with 0, 10 and 50 preferences: in the weights, and in the prompt."""
    said = [f"The user's {attribute} is {target}." for attribute, target in KNOWN] * 7
    cases: dict[str, tuple[str | None, str]] = {"base": (None, "")}
    for count in (10, 50):
        cases[f"{count} in the weights"] = (f"rank-{count}", "")
        cases[f"{count} in the prompt"] = (None, "What is known of the user:\n" + "\n".join(said[:count]))
    waits: dict[str, list[float]] = {name: [] for name in cases}
    tokens: dict[str, int] = {}
    with serving(home, model) as server:
        for turn in range(requests + 1):
            for name in random.Random(turn).sample(list(cases), len(cases)):
                user, system = cases[name]
                found = asyncio.run(server.ask(MESSAGE, user, 1, system))
                tokens[name] = found.prompt
                if turn:
                    waits[name].append(found.first)
    figures = {
        name: {
            "prompt tokens": tokens[name],
            "seconds to the first token": _median(times),
            "times the base model's": _median([a / b for a, b in zip(times, waits["base"], strict=True)]),
        }
        for name, times in waits.items()
    }
    _tell("growth", figures, out)


@app.command()
def shared(home: Home, model: Model = "smollm2", turns: int = 30, out: Out = None) -> None:
    """Read prompts with a common system prompt: whole; and as if everybody shared what is below the edit.

    Keys and values below the edited layer are the same for everybody. With those of a common system prompt
    kept, a new person's first token would take the question through all layers, and the system prompt through
    those from the edited one on. No server does that yet; here both parts are run by themselves.
    """
    base = _loaded(home, model)
    em, delta = base.model, base.user("real-0").delta()
    layer = min(int(part) for name in delta.factors for part in name.split(".") if part.isdigit())
    layers: Any = em.module(em.layout.layers)
    figures: dict[str, Any] = {"edited layer": layer, "of": len(layers)}
    for times in (2, 8, 24):
        system = {"role": "system", "content": COMMON * times}
        row, other = (em.chat_ids([system, {"role": "user", "content": text}]) for text in (MESSAGE, "?"))
        same = next(n for n, (one, two) in enumerate(zip(row, other, strict=False)) if one != two)
        ids = torch.tensor([row], device=em.device)
        common, rest = ids[:, :same], ids[:, same:]
        found: list[tuple[float, float]] = []
        with torch.no_grad(), attach(em, delta):
            known = recorded(em.model, layers, layer, {"input_ids": common})
            for _ in range(turns):
                cache = DynamicCache()
                em.model.base_model(common, past_key_values=cache)
                full = _seconds(partial(em.model, ids, logits_to_keep=1))
                less = _seconds(partial(em.model, rest, past_key_values=cache, logits_to_keep=1))
                with answered(layers, layer, known):
                    less += _seconds(partial(em.model.base_model, common))
                found.append((full, less))
        figures[f"{ids.shape[1]} tokens, {common.shape[1]} of them common"] = {
            "whole, seconds": _median([full for full, _ in found]),
            "shared below, seconds": _median([less for _, less in found]),
            "ratio": _median([less / full for full, less in found]),
        }
    _tell("shared", figures, out)


@dataclass(frozen=True)
class Answer:
    """What came, and when."""

    text: str
    first: float
    """Seconds to the first token."""
    tokens: int
    prompt: int


class Server:
    """A running server."""

    def __init__(self, url: str, model: str, process: int) -> None:
        self.url, self.model, self._process = url, model, process

    async def ask(self, text: str, user: str | None, tokens: int, system: str = "") -> Answer:
        """An answer, streamed."""
        async with AsyncOpenAI(
            base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=600
        ) as client:
            chat: list[Any] = [{"role": "system", "content": system}] if system else []
            chat.append({"role": "user", "content": text})
            begun, first, said, usage = time.perf_counter(), 0.0, "", None
            stream = await client.chat.completions.create(
                model=self.model,
                messages=chat,
                max_tokens=tokens,
                temperature=0,
                stream=True,
                stream_options={"include_usage": True},
                **({} if user is None else {"user": user}),
            )
            async for chunk in stream:
                first = first or time.perf_counter() - begun
                said += "".join(choice.delta.content or "" for choice in chunk.choices)
                usage = chunk.usage or usage
        assert usage is not None
        return Answer(said, first, usage.completion_tokens, usage.prompt_tokens)

    def memory(self) -> int:
        """Bytes that the process holds."""
        lines = Path(f"/proc/{self._process}/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def ready(self) -> None:
        """Fail unless it still takes requests."""
        from urllib.request import urlopen

        assert json.load(urlopen(f"{self.url}/readyz"))["status"] == "ready"


@contextmanager
def serving(home: Path, model: str, *words: str) -> Iterator[Server]:
    """A server of the run's own, on a free port."""
    command = [
        sys.executable,
        "-c",
        "from monogram.cli import main; main()",
        "serve",
        "--port",
        "0",
        "--json",
    ]
    told = {**os.environ, "MONOGRAM_HOME": str(home)}
    process = subprocess.Popen(
        [*command, "--model", model, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=told,
    )
    try:
        assert process.stdout is not None
        yield Server(json.loads(process.stdout.readline())["url"], model, process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _keep(base: Personalizer, user: str, what: Preference, delta: Delta, held: set[str]) -> None:
    if user not in held:
        change = [("added", what)]
        base.store.commit(user, change, Kept(delta, base.model.digest), after=0, base_name="bench")  # type: ignore[arg-type]


async def _all(asks: Sequence[Any]) -> list[Answer]:
    return list(await asyncio.gather(*asks))


def _gap(home: Path, model: str, user: str, text: str, one: str, other: str) -> float:
    """How far apart the two likeliest logits are where two answers part."""
    base = _loaded(home, model)
    a, b = (base.model.tokenizer(said, add_special_tokens=False).input_ids for said in (one, other))
    alike = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    ids = torch.tensor([[*base.model.chat_ids(text), *a[:alike]]])
    with torch.no_grad(), attach(base.model, base.user(user).delta()):
        top = base.model.model(input_ids=ids).logits[0, -1].topk(2).values
    return float(top[0] - top[1])


@cache
def _loaded(home: Path, model: str) -> Personalizer:
    return monogram.load(model, home=home)


def _seconds(run: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _median(values: Sequence[float]) -> float:
    return float(f"{statistics.median(values):.4g}")


def _tell(what: str, figures: dict[str, Any], out: Path | None) -> None:
    for name, value in figures.items():
        print(f"{name}: {value}")
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, "threads": torch.get_num_threads(), **figures}) + "\n")


if __name__ == "__main__":
    app()
