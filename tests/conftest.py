"""One thread, so that times and bits don't hang on the machine; no deadlines, which busy ones would miss."""

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("monogram", deadline=None)
settings.load_profile("monogram")
