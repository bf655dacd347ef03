"""One thread, so that times and bits don't hang on the machine; no deadlines, which busy ones would miss; and
Ctrl-C that works in the processes that tests start, also where the tests themselves run in the background."""

import signal

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("monogram", deadline=None)
settings.load_profile("monogram")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
