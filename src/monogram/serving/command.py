"""How vLLM is started so that it serves people: environment and arguments."""

from __future__ import annotations

from collections.abc import Sequence

from monogram.editors.base import chosen_layer
from monogram.editors.chosen import editor_for
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from monogram.models.whole import base_name

SERVER = "vllm.entrypoints.openai.api_server"
"""What `vllm serve` runs; that command itself does not start in vLLM's CPU build (0.32)."""
GATE_UP = "gate_up_proj"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The `--max-lora-rank` that vLLM knows."""


def vllm_command(
    model: EditableModel,
    *,
    host: str = "127.0.0.1",
    port: int = 8001,
    rank: int = 64,
    at_once: int = 16,
    held: int = 256,
    layers: Sequence[int] = (),
    editor_name: str = "neuron",
) -> tuple[dict[str, str], list[str]]:
    """Environment and arguments of a replica.

    Args:
        model: what it serves; digest, type and name are told to it.
        rank: the highest of an adapter, as many as somebody may have preferences.
        at_once: people in one batch; room for so many adapters is taken beside the weights.
        held: adapters that stay in its memory.
        layers: which layers adapters may change; by default that of the editor.

    Raises:
        InputError: a rank that vLLM does not know, or an editor that has no layer.
        LayerError: a layer that is not there.
    """
    if rank not in RANKS:
        raise InputError(f"vLLM knows no rank {rank}. It takes {', '.join(map(str, RANKS))}.")
    if not layers:
        layer = getattr(editor_for(model, editor_name).config, "layer", None)
        if layer is None:
            raise InputError(f"Editor '{editor_name}' has no one layer. Say which adapters may change.")
        layers = (chosen_layer(model, layer),)
    modules = sorted({name for layer in layers for name in _wrapped(model, chosen_layer(model, layer))})
    environment = {
        "VLLM_PLUGINS": "monogram",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",  # or it asks nobody for adapters
        "MONOGRAM_BASE_DIGEST": model.digest,
    }
    arguments = ["python", "-m", SERVER, "--model", base_name(model), "--served-model-name", model.name]
    arguments += ["--host", host, "--port", str(port), "--dtype", str(model.dtype).removeprefix("torch.")]
    arguments += ["--api-server-count", "1", "--enable-lora", "--max-lora-rank", str(rank)]
    arguments += ["--max-loras", str(at_once), "--max-cpu-loras", str(max(held, at_once))]
    arguments += ["--lora-target-modules", *modules]
    return environment, arguments


def _wrapped(model: EditableModel, layer: int) -> tuple[str, ...]:
    """A layer's modules as vLLM has them: gate and up are one there, and only its full name counts."""
    names = model.layout.module_names(layer)
    if "gate" not in names:
        return names["up"], names["down"]
    return f"{names['mlp']}.{GATE_UP}", names["down"]
