"""A process that changes people as it is told, each change in a child of its own that may be killed.

Run as `python -m tests.store.worker`. A line on stdin is JSON: home, user, verb and words of a `Person`, and
after how many seconds the child is killed (null: never). A line on stdout says what became of it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from monogram import keeping
from monogram.errors import MonogramError
from monogram.people import Personalizer
from monogram.store.store import Store
from tests import tiny
from tests.cli.program import environment
from tests.compiled import Compiler


class Worker:
    """The process, for the length of a `with`."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.store.worker"]
        told = environment(Path(os.devnull))
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=told, bufsize=1
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def begin(self, home: Path, user: str, verb: str, *words: str, kill: float | None = None) -> None:
        """Tell it what to do, and don't wait."""
        assert self._process.stdin is not None
        told = {"home": str(home), "user": user, "verb": verb, "words": words, "kill": kill}
        self._process.stdin.write(json.dumps(told) + "\n")

    def outcome(self) -> dict[str, Any]:
        """What became of it: `done`, or `error` with a message, or neither when it was killed; `seconds`."""
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


def model() -> Any:
    """The tiny model that all of them use."""
    return tiny.editable(dtype=torch.float32)


def _change(people: Personalizer, user: str, verb: str, words: list[str]) -> dict[str, str]:
    person = people.user(user)
    try:
        if verb == "add":
            person.add(attribute=words[0], target=words[1])
        else:
            getattr(person, verb)(*(int(word) if verb == "rollback" else word for word in words))
    except MonogramError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"done": verb}


def _main() -> None:
    torch.set_num_threads(1)
    double: Any = Compiler()
    keeping.compile_monogram = double
    base = model()
    for line in sys.stdin:
        told = json.loads(line)
        ours, theirs = os.pipe()
        begun = time.perf_counter()
        child = os.fork()
        if not child:
            people = Personalizer(base, Store(Path(told["home"])))
            said = _change(people, told["user"], told["verb"], told["words"])
            os.write(theirs, json.dumps(said).encode())
            os._exit(0)
        os.close(theirs)
        if told["kill"] is not None:
            time.sleep(told["kill"])
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        said = json.loads(os.read(ours, 65536) or b"{}")
        os.close(ours)
        sys.stdout.write(json.dumps({**said, "seconds": time.perf_counter() - begun}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
    os._exit(0)  # torch takes its time to be torn down
