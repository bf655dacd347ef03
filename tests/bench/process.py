"""A run in a process of its own, to be killed: `python -m tests.bench.process FOLDER TASK...`."""

import sys
from pathlib import Path

import torch

from monogram.bench.runner import run
from tests import tiny
from tests.bench.fakes import Shift, always, order, prompted

if __name__ == "__main__":
    torch.set_num_threads(1)
    place, names = Path(sys.argv[1]), sys.argv[2:]
    em = tiny.editable(max_position_embeddings=1024)
    made = always(prompted("none"), prompted("reminder"), Shift(em))
    run(em, order(place, *names), made, place / "out")
