"""What `scale.py measure` measures here: adapters of a large model's size, the ledger, the gateway.

No large model is built: adapters have the sizes of one, with random numbers. Times are medians.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import torch
import uvicorn

import monogram
from monogram.delta import Delta, load_adapter
from monogram.lowrank import LowRank
from monogram.peft_folder import WEIGHTS
from monogram.preferences import Preference
from monogram.serving.app import app
from monogram.serving.service import Service, Settings
from monogram.serving.spool import Spool, Takes
from monogram.store.facts import Draft
from monogram.store.folder import AdapterFolders, folder_name, shelf_name, sweep_strangers
from monogram.store.ledger import Ledger
from monogram.store.remote import RemoteFolders
from monogram.store.tables import EventRow, UserRow, VersionRow

WIDTH, INNER, LAYER = 4096, 14336, 16
"""Of Llama 3.1 8B and its like; the edited layer is any one."""
BASE = "0" * 64
CHUNK = 2000


def adapters(preferences: int, dtype: torch.dtype, times: int) -> dict[str, Any]:
    """Bytes of an adapter, and seconds on its way from the store to a replica's files."""
    delta, user = made(preferences, dtype), "person"
    takes = Takes({name: factor.shape for name, factor in delta.factors.items()}, 512)
    shelf, folder = shelf_name(user), folder_name(BASE, delta)
    name = f"monogram-{shelf}-{folder}-{'0' * 8}"
    with TemporaryDirectory(prefix="monogram-") as aside:
        root = Path(aside)
        local = AdapterFolders(root / "store")
        local.save(user, delta, base_name="bench", base_digest=BASE)
        place = local.where(user, folder)
        weights = (place / WEIGHTS).read_bytes()
        stores: dict[str, Any] = {"folder": local}
        for kind, url in {"fsspec file": f"file://{root}/store", "fsspec memory": "memory://bench"}.items():
            stores[kind] = RemoteFolders(url, root)
        stores["fsspec memory"].save(user, delta, base_name="bench", base_digest=BASE)
        puts: dict[str, list[float]] = {kind: [] for kind in stores}
        for turn in range(times):
            for kind, shelves in stores.items():
                spool = Spool(shelves, BASE, takes, root / f"{kind} {turn}")
                spool.root.mkdir()
                puts[kind].append(seconds(lambda spool=spool: spool.put(name)))
        return {
            "bytes": sum(file.stat().st_size for file in place.iterdir()),
            "bytes of weights, zlib 1": len(zlib.compress(weights, 1)),
            "seconds to read and check": median([seconds(lambda: load_adapter(place)) for _ in range(times)]),
            "seconds to put into a replica's files": {kind: median(found) for kind, found in puts.items()},
        }


def made(preferences: int, dtype: torch.dtype) -> Delta:
    """As `neuron` makes them: the rows of gate and up change at the preferences' neurons alone."""
    rng = torch.Generator().manual_seed(preferences)
    neurons = torch.randperm(INNER, generator=rng)[:preferences]
    mine = torch.zeros(INNER, preferences)
    mine[neurons, torch.arange(preferences)] = 1.0
    theirs = mine.T.clone(memory_format=torch.contiguous_format)
    mlp = f"model.layers.{LAYER}.mlp"
    factors = {
        f"{mlp}.gate_proj": LowRank(mine, torch.randn(preferences, WIDTH, generator=rng)),
        f"{mlp}.up_proj": LowRank(mine.clone(), torch.randn(preferences, WIDTH, generator=rng)),
        f"{mlp}.down_proj": LowRank(torch.randn(WIDTH, preferences, generator=rng), theirs),
    }
    return Delta(factors).to(dtype)


def ledger(place: Path | str, people: int, preferences: int, receipt: Receipt) -> dict[str, Any]:
    """Look-ups and changes in a ledger of so many people, each with so many preferences, added one by one."""
    kept = Ledger(place)
    begun = time.perf_counter()
    _fill(kept, people, preferences, receipt)
    filled = time.perf_counter() - begun
    kept.version("person-0")
    rng = random.Random(0)
    asked = [f"person-{rng.randrange(people)}" for _ in range(600)]
    alone = seconds(lambda: [kept.version(user) for user in asked])
    with ThreadPoolExecutor(4) as threads:
        four = seconds(lambda: list(threads.map(kept.version, asked)))
    draft = Draft("bench", BASE, "neuron", BASE, BASE, "0" * 16, receipt.of(preferences))
    commits = []
    for number in range(40):
        change = [("added", Preference(attribute="hobby", target=f"hobby {number}"))]
        user = f"person-{number}"
        commits.append(seconds(lambda user=user, change=change: _commit(kept, user, change, draft)))
    everybody = seconds(kept.users)
    anew = seconds(kept.rewrite)
    return {
        "people": people,
        "rows": people * (1 + 2 * preferences),
        "seconds to fill it": round(filled),
        "bytes for each person": round(_size(place) / people),
        "look-ups a second, one thread": round(len(asked) / alone),
        "look-ups a second, four threads": round(len(asked) / four),
        "seconds of a change's transaction": median(commits),
        "seconds to list everybody, as each erasure does": float(f"{everybody:.3g}"),
        "seconds to write it anew, as each erasure does": float(f"{anew:.3g}"),
    }


def folders(people: int) -> dict[str, Any]:
    """Seconds for a look at so many people's folders in one, as each erasure does."""
    with TemporaryDirectory(prefix="monogram-") as aside:
        users = [f"person-{number}" for number in range(people)]
        making = seconds(lambda: [Path(aside, shelf_name(user)).mkdir() for user in users])
        looking = seconds(lambda: sweep_strangers(Path(aside), users))
    return {"people": people, "seconds to make": round(making, 1), "seconds to look": float(f"{looking:.3g}")}


def names(count: int = 100_000) -> float:
    """Bytes that a replica keeps of each name it ever gave out: the spool's, and one as vLLM's
    `lora_requests` keeps (a stand-in of the fields that monogram gives it).
    """

    @dataclass(slots=True)
    class Request:
        lora_name: str
        lora_int_id: int
        lora_path: str

    tracemalloc.start()
    held, requests = dict[str, list[str]](), dict[str, Request]()
    for number in range(count):
        shelf = f"{number:032x}"
        name = f"monogram-{shelf}-{number:016x}-{number:08x}"
        held.setdefault(shelf, []).append(name)
        requests[name] = Request(name, number + 1000, f"/tmp/monogram-spool-abcdefgh/{name}")
    found = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    return round(found)


def gateway(home: Path, model: str, tokens: int, at_once: int, turns: int) -> dict[str, Any]:
    """What the gateway adds, and how much one of its processes passes on, before a replica that has its
    answers ready. Gateway and client share this process; the replica has one of its own.
    """
    people = monogram.load(model, home=home)
    person = people.user("scale")
    if not person.list():
        person.add(attribute="hobby", target="pottery")
        person.add(attribute="pet", target="a parrot")
    receipts = {v.number: len(json.dumps(v.receipt)) for v in people.store.ledger.versions("scale")}
    base = people.model.digest
    ids = people.model.chat_ids("Tell me at length what I could do on a free afternoon.")
    plain = {"prompt": list(ids), "stream": True, "model": "any", "max_tokens": 1}
    with canned(base) as url, served(people, url) as front:

        async def alone() -> tuple[list[float], list[float]]:
            through, direct = [], []
            async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
                for _ in range(turns):
                    direct.append(await _first(client, f"{url}/v1/completions", plain))
                    through.append(await _first(client, *_asked(front, model, 1)))
            return through, direct

        async def together() -> float:
            async with httpx2.AsyncClient(timeout=600, trust_env=False) as client:
                begun = time.perf_counter()
                asks = [_first(client, *_asked(front, model, tokens)) for _ in range(at_once)]
                await asyncio.gather(*asks)
                return at_once * tokens / (time.perf_counter() - begun)

        through, direct = asyncio.run(alone())
        rates = [asyncio.run(together()) for _ in range(3)]
    return {
        "bytes of a receipt, by preferences": receipts,
        "seconds of a request of one token, through the gateway": median(through),
        "the same, straight from the replica": median(direct),
        "seconds that the gateway adds": median([a - b for a, b in zip(through, direct, strict=True)]),
        f"tokens a second, {at_once} answers of {tokens} at once": median(rates),
    }


@dataclass(frozen=True)
class Receipt:
    """The size of receipts: with one preference, and with each more."""

    one: int
    more: int

    def of(self, preferences: int) -> dict[str, Any]:
        """One of noise, which no database makes smaller."""
        length = self.one + (preferences - 1) * self.more
        return {"": f"{random.getrandbits(4 * length):0{length}x}"}


@contextmanager
def canned(base_digest: str) -> Iterator[str]:
    """A replica in a process of its own that has its answers ready."""
    command = [sys.executable, str(Path(__file__).with_name("scale.py")), "canned", base_digest]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "the canned replica did not start"
        yield url
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def served(people: Any, upstream: str) -> Iterator[str]:
    """The service with the gateway, in a thread."""
    service = Service(people, Settings(upstreams=(upstream,)))
    config = uvicorn.Config(app(service), host="127.0.0.1", port=0, log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not (server.started and service.answers.alive):
            time.sleep(0.05)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


def seconds(run: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def median(values: list[float]) -> float:
    return float(f"{statistics.median(values):.3g}")


def _asked(front: str, model: str, tokens: int) -> tuple[str, dict[str, Any]]:
    asked = [{"role": "user", "content": "Tell me at length what I could do on a free afternoon."}]
    body = {"model": model, "user": "scale", "messages": asked, "stream": True, "max_tokens": tokens}
    return f"{front}/v1/chat/completions", body


async def _first(client: httpx2.AsyncClient, url: str, body: dict[str, Any]) -> float:
    begun = time.perf_counter()
    async with client.stream("POST", url, json=body) as answer:
        assert answer.status_code == 200, await answer.aread()
        async for _ in answer.aiter_raw():
            pass
    return time.perf_counter() - begun


def _commit(kept: Ledger, user: str, change: Any, draft: Draft) -> None:
    kept.commit(user, change, draft, after=kept.head(user))


def _fill(kept: Ledger, people: int, preferences: int, receipt: Receipt) -> None:
    said, when = "I like to go hiking in my spare time.", "2026-11-22T00:00:00.000000+00:00"
    version = dict.fromkeys(("preferences_digest", "base_digest", "settings", "delta_digest"), BASE)
    version |= {"created": when, "base_name": "bench", "editor": "neuron", "folder": "0" * 16}
    told = [Preference(attribute="hobby", target=f"Hiking {n}", statement=said) for n in range(preferences)]
    event = {"time": when, "kind": "added", "attribute": "hobby", "polarity": "likes", "statement": said}
    with kept._database.write():  # makes the tables
        pass
    each = range(1, preferences + 1)
    for first in range(0, people, CHUNK):
        users = range(first, min(first + CHUNK, people))
        with kept._database.write() as session:
            who = [{"id": user + 1, "name": f"person-{user}"} for user in users]
            session.execute(UserRow.__table__.insert(), who)
            every = [(user + 1, number) for user in users for number in each]
            rows = [version | {"user_id": u, "number": n, "receipt": receipt.of(n)} for u, n in every]
            session.execute(VersionRow.__table__.insert(), rows)
            rows = [
                event | {"user_id": u, "number": n, "digest": p.digest, "target": p.target}
                for u, n in every
                for p in [told[n - 1]]
            ]
            session.execute(EventRow.__table__.insert(), rows)


def _size(place: Path | str) -> int:
    if isinstance(place, Path):
        return sum(file.stat().st_size for file in place.parent.glob(f"{place.name}*"))
    from sqlalchemy import create_engine, text

    engine = create_engine(place.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found = int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    engine.dispose()
    return found


def replica(base_digest: str) -> None:
    """Be a replica that has its answers ready; says its URL and runs until it is told to end."""
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    def lines(tokens: int) -> Iterator[str]:
        for number in range(tokens):
            reason = "length" if number + 1 == tokens else None
            choice = {"index": 0, "text": "", "token_ids": [300 + number % 500], "finish_reason": reason}
            yield f"data: {json.dumps({'choices': [choice]})}\n\n"
        yield "data: [DONE]\n\n"

    async def complete(asked: dict[str, Any]) -> StreamingResponse:
        async def sent() -> Any:
            for line in lines(asked["max_tokens"]):
                yield line

        return StreamingResponse(sent(), media_type="text/event-stream")

    def alive() -> dict[str, Any]:
        return {}

    made = FastAPI()
    made.add_api_route("/health", alive, methods=["GET"])
    made.add_api_route("/v1/monogram", lambda: {"base_digest": base_digest}, methods=["GET"])
    made.add_api_route("/v1/completions", complete, methods=["POST"], response_model=None)
    server = uvicorn.Server(uvicorn.Config(made, host="127.0.0.1", port=0, log_level="critical"))

    def told() -> None:
        while not server.started:
            time.sleep(0.02)
        print(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)

    threading.Thread(target=told, daemon=True).start()
    server.run()


def machine() -> str:
    """What this was measured on, in words that say nothing of whose it is."""
    return (
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads of torch, load {os.getloadavg()[0]:.1f}"
    )
