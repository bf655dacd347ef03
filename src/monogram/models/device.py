"""Where models are loaded to: `$MONOGRAM_DEVICE`, else the processor."""

from __future__ import annotations

import os

import torch

from monogram.errors import ModelError

VARIABLE = "MONOGRAM_DEVICE"


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
