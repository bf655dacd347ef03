"""What is measured of the machine."""

import sys

import pytest
import torch

from monogram.bench.meter import Extra
from tests import tiny


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells a process's high-water mark on Linux")
def test_extra_memory_is_what_the_block_used_at_once_and_nothing_before() -> None:
    em = tiny.editable()
    held = torch.ones(64, 1024, 1024 // 4)  # 64 MB, there before
    with Extra(em) as nothing:
        pass
    with Extra(em) as once:
        for _ in range(3):
            torch.ones(128, 1024, 1024 // 4)  # 128 MB, thrice, freed each time
    with Extra(em) as together:
        kept = [torch.ones(128, 1024, 1024 // 4) for _ in range(3)]
    del kept
    with Extra(em) as after:
        pass
    megabytes = [None if e.nbytes is None else e.nbytes / 2**20 for e in (nothing, once, together, after)]
    assert None not in megabytes
    assert held.numel()
    quiet, single, threefold, again = (round(value or 0) for value in megabytes)
    assert quiet < 32
    assert again < 32
    assert 120 <= single < 200
    assert 370 <= threefold < 450
