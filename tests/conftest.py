"""One thread, so that times and bits don't hang on the machine; no deadlines, which busy ones would miss; and
Ctrl-C that works in the processes that tests start, also where the tests themselves run in the background.

And people on a tiny model, with the compiler's double.
"""

import signal
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from monogram.models.editable import EditableModel
from monogram.people import Personalizer
from monogram.store.store import Store
from tests import tiny
from tests.compiled import Compiler, installed

torch.set_num_threads(1)
settings.register_profile("monogram", deadline=None)
settings.load_profile("monogram")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def model() -> EditableModel:
    return tiny.editable(dtype=torch.float32)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    return installed(monkeypatch)


@pytest.fixture
def people(model: EditableModel, tmp_path: Path, compiler: Compiler) -> Personalizer:
    return Personalizer(model, Store(tmp_path / "home"))
