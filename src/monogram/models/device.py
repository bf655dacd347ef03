"""Where models are loaded to, and as what: `$MONOGRAM_DEVICE`, else the processor; `$MONOGRAM_DTYPE`, else
the files' own type.
"""

from __future__ import annotations

import os

import torch

from monogram.errors import ModelError

VARIABLE = "MONOGRAM_DEVICE"
TYPE = "MONOGRAM_DTYPE"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def chosen_device() -> torch.device:
    """The device that `$MONOGRAM_DEVICE` names, after something was put there.

    Raises:
        ModelError: PyTorch knows no such device, or there is none here.
    """
    name = os.environ.get(VARIABLE, "").strip() or "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ModelError(
            f"{VARIABLE} is {name!r}, which PyTorch cannot use here: {reason}. Say cpu, or one that is there."
        ) from error
    return device


def chosen_dtype() -> torch.dtype | None:
    """The type of weights that `$MONOGRAM_DTYPE` names; None where it names none.

    Raises:
        ModelError: it names something else.
    """
    name = os.environ.get(TYPE, "").strip()
    if name and name not in DTYPES:
        raise ModelError(
            f"{TYPE} is {name!r}. Say {' or '.join(DTYPES)}, or nothing for the files' own type."
        )
    return DTYPES.get(name)
