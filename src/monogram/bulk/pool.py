"""The engine that is Ray: actors of Ray Data, each with a model of its own, that write straight to the store.

What goes to an actor is a person's rows as text, what comes back is an outcome; a block has one person, so
that each outcome comes as soon as it is there. An actor that dies is started again, and its person tried
again, but not for ever.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from monogram.bulk.begun import Begun
from monogram.bulk.roster import Wanted
from monogram.bulk.run import Engine
from monogram.bulk.work import Outcome, Worker
from monogram.errors import InputError, MonogramError
from monogram.files import adapters_place
from monogram.models.editable import EditableModel
from monogram.people import Personalizer
from monogram.store.store import Store

DEATHS = 3
"""After so many actors that died of a person they are not tried again."""
BLOCKS = 5000
"""The most blocks at a time; of more people some share one."""
OBJECTS = 100 * 1024**2
"""Bytes of Ray's object store, which has nothing but rows of text to hold."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
"""Nothing is told to anybody, and nothing to the terminal that is no concern of whoever sits there."""
CARRIED = ("MONOGRAM_HOME", "MONOGRAM_LEDGER", "MONOGRAM_ADAPTERS", "MONOGRAM_KEY_FILE")
"""What of the environment says where things are; actors on other machines are told."""


@dataclass(frozen=True)
class Setup:
    """What an actor needs to be a worker.

    Attributes:
        model: as `EditableModel.load` takes it; base: its digest.
        home: where models and caches are; None for what the environment says.
        out: where the people are kept.
        editor: how preferences become weights; None for each person's last one.
        threads: of each model.
    """

    model: str
    base: str
    home: Path | None
    out: Path
    editor: str | None
    threads: int

    def worker(self, model: EditableModel | None = None) -> Worker:
        """A worker on a model, or on one of its own. Raises as `EditableModel.load` and `Store`."""
        mine = EditableModel.load(self.model, home=self.home) if model is None else model
        people = Personalizer(mine, Store(self.out), editor=self.editor, home=self.home)
        return Worker(people, self.base, self.threads)


class Actor:
    """What Ray runs: a batch of people's rows in, a batch of outcomes out.

    Args:
        environment: says where things are, also on another machine.
        again: how often a person was begun before.
    """

    def __init__(self, setup: Setup, environment: Mapping[str, str], again: Callable[[str], int]) -> None:
        os.environ.update(environment)
        self._again = again
        self._worker: Worker | None = None
        self._why = ""
        try:
            self._worker = setup.worker()
        except (MonogramError, OSError) as error:  # told as an outcome, for Ray would tell it as a crash
            self._why = f"A worker could not be made: {error}"

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Do a batch."""
        people = [Wanted.from_json(str(text)) for text in batch["wanted"]]
        return {"outcome": [self._outcome(wanted).to_json() for wanted in people]}

    def _outcome(self, wanted: Wanted) -> Outcome:
        if self._worker is None:
            return Outcome.of(wanted, "failed", why=self._why, lasting=True)
        if self._again(wanted.user) >= DEATHS:
            why = f"The process that compiled them died {DEATHS} times. It may have been out of memory."
            return Outcome.of(wanted, "failed", why=why)
        return self._worker(wanted)


def on_ray(setup: Setup, *, workers: int | None = None, address: str | None = None) -> Engine:
    """The engine that is Ray.

    Args:
        workers: how many actors; by default as many as have cores for their threads.
        address: of a cluster to join; None starts one here, and ends it afterwards.

    Raises:
        MonogramError: Ray is not installed; told at once.
        InputError: no cluster there, or one where people would be kept on several disks; told by the first.
    """
    ray = need_ray()

    def do(todo: Sequence[Wanted]) -> Iterator[Outcome]:
        wide = workers or at_once(setup.threads)
        with _cluster(ray, wide * setup.threads, address):
            if workers is None and address:
                wide = max(1, int(ray.cluster_resources().get("CPU", 1)) // setup.threads)
            refuse_own_disks(sum(bool(node["Alive"]) for node in ray.nodes()), Store(setup.out))
            begun = ray.remote(num_cpus=0)(Begun).remote()
            again = partial(_asked, ray.get, begun)
            rows = [{"wanted": wanted.to_json()} for wanted in todo]
            wide = min(wide, len(rows))
            found = ray.data.from_items(rows, override_num_blocks=min(len(rows), BLOCKS)).map_batches(
                Actor,
                fn_constructor_args=(setup, _environment(), again),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=wide, max_tasks_in_flight_per_actor=1),
                num_cpus=setup.threads,
            )
            for row in found.iter_rows():
                yield Outcome.from_json(row["outcome"])

    return do


def _asked(get: Callable[[Any], int], begun: Any, user: str) -> int:
    """What `Begun.again` says, from another process."""
    return get(begun.again.remote(user))


def at_once(threads: int) -> int:
    """How many workers of so many threads this process's cores have room for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // threads)


def refuse_own_disks(machines: int, store: Store) -> None:
    """Raise InputError where several machines would keep people each on a disk of its own."""
    own = [what for what in (store.ledger.place, adapters_place(store.home)) if isinstance(what, Path)]
    if machines > 1 and own:
        raise InputError(
            f"The cluster has {machines} machines, and people would be kept in {own[0]}, each machine's "
            "own. Let MONOGRAM_LEDGER=postgresql://... and MONOGRAM_ADAPTERS=s3://... name what they share."
        )


@contextmanager
def _cluster(ray: Any, cpus: int, address: str | None) -> Iterator[None]:
    """Ray, for the length of a `with`; quiet."""
    told: dict[str, Any] = {"address": address} if address else {"address": "local", "num_cpus": cpus + 1}
    if not address:
        told |= {"include_dashboard": False, "object_store_memory": OBJECTS}
    try:
        with _hushed():
            ray.init(**told, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"Ray cannot be used at {address or 'this machine'}: {error}") from error
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.execution_no_progress_timeout_s = -1  # a person may take as long as they need
        context.max_errored_blocks = -1  # who does not come back is told of as failed
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # Ray prints there who died
            yield
    finally:
        ray.shutdown()


@contextmanager
def _hushed() -> Iterator[None]:
    """Nothing is written to stderr by libraries that don't ask Python; what goes wrong is raised."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _environment() -> dict[str, str]:
    """What says where things are, with whole paths."""
    told = {name: os.environ[name] for name in CARRIED if os.environ.get(name)}
    return {name: text if "://" in text else os.path.abspath(text) for name, text in told.items()}


def need_ray() -> Any:
    """Ray, or MonogramError where it is not installed."""
    os.environ.update(QUIET)
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise MonogramError(
            f"The engine 'ray' needs {error.name}, which is not installed: pip install 'monogram[ray]'. "
            "Or say --engine local, which does the same in one process."
        ) from error
    return ray
