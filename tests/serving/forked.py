"""A process that has everything loaded, and forks a server on a tiny model for every line on stdin.

Run as `python -m tests.serving.forked`. A line in is JSON: home and port; a line out is the server's process.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
import uvicorn

from monogram import keeping
from monogram.people import Personalizer
from monogram.serving.app import app
from monogram.serving.service import Service
from monogram.store.store import Store
from tests import tiny
from tests.compiled import Compiler


def main() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # killed servers leave nothing behind
    model = tiny.editable(dtype=torch.float32)
    keeping.compile_monogram = Compiler()  # type: ignore[assignment]
    for line in sys.stdin:
        told = json.loads(line)
        if (child := os.fork()) == 0:
            people = Personalizer(model, Store(Path(told["home"])))
            people.store.finish()
            uvicorn.run(app(Service(people)), host="127.0.0.1", port=told["port"], log_level="error")
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
