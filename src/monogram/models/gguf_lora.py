"""A delta as a LoRA file in GGUF, which llama.cpp and what is built on it load beside a base model's GGUF.

    general.type = adapter, adapter.type = lora, general.architecture      the base model's own
    adapter.lora.alpha = rank                                               so that the scale is 1
    blk.<layer>.<matrix>.weight.lora_a (r, d_in), .lora_b (d_out, r)        right and left of the delta

Factors are float32, padded with zeros to one rank: the file knows one alpha, and a reader divides it by each
tensor's own rank. A delta's orientation is (d_out, d_in) however a model stores its weight, and so is GGUF's;
Conv1D needs no turning, and where gate and up are fused they are fused there, too, in the same order. Norms
that converters fold do not touch the matrices. What converters do rearrange are queries and keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from monogram.delta import Delta
from monogram.errors import AdapterFileError, InputError
from monogram.files import aside
from monogram.lowrank import LowRank
from monogram.models.editable import EditableModel

ADAPTER = "adapter.gguf"
ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma2": "gemma2",
    "gemma3": "gemma3",
    "gemma3_text": "gemma3",
    "olmo": "olmo",
    "olmo2": "olmo2",
    "phi3": "phi3",
    "gpt2": "gpt2",
    "gpt_neox": "gptneox",
    "stablelm": "stablelm",
    "starcoder2": "starcoder2",
    "cohere": "command-r",
}
"""Model type -> what llama.cpp calls it. (It lists GPT-J, but does not run it.)"""
PERMUTED = ("llama", "mistral")
"""Model types whose queries and keys a converter rearranges, see `arranged`."""
ATTENTION_AS_IT_IS = ("qwen2", "qwen3", "gemma2", "gemma3", "gemma3_text", "olmo2", "phi3", "gpt2")
"""Model types whose attention a converter leaves as it is."""
_OURS = "monogram."


def save_gguf(
    model: EditableModel, delta: Delta, folder: Path, *, about: Mapping[str, str] | None = None
) -> Path:
    """Write a folder with `adapter.gguf`, whole or not at all; one that holds nothing else is replaced.

    Args:
        about: kept in the file, under keys that begin with `monogram.`.

    Returns:
        The file's path.

    Raises:
        InputError: as `tensors`.
        AdapterFileError: the folder holds something else, or cannot be written.
        DiskFullError: no room; nothing is left behind.
    """
    refuse_other(folder, (ADAPTER,))
    try:
        with aside(folder, replace=True) as work:
            write(model, delta, work / ADAPTER, about=about)
    except OSError as error:
        raise AdapterFileError(f"The adapter could not be written to {folder}: {error}") from error
    return folder / ADAPTER


def metadata(path: Path) -> dict[str, str]:
    """What was kept in an adapter's file: digests, and what a cut lost."""
    from gguf import GGUFReader

    fields = GGUFReader(path).fields.items()
    return {key.removeprefix(_OURS): str(f.contents()) for key, f in fields if key.startswith(_OURS)}


def refuse_other(folder: Path, ours: tuple[str, ...]) -> None:
    """Raise AdapterFileError where a folder is there and holds anything but the files of an export."""
    if folder.exists() and not (folder.is_dir() and {p.name for p in folder.iterdir()} <= set(ours)):
        raise AdapterFileError(
            f"{folder} is there and holds something else than {', '.join(ours)}. Choose another folder; "
            "nothing was written."
        )


def write(model: EditableModel, delta: Delta, path: Path, *, about: Mapping[str, str] | None = None) -> None:
    """Write the file itself. The same delta gives the same bytes. Raises InputError as `tensors`."""
    from gguf import GGUFType, GGUFWriter, Keys

    factors = tensors(model, delta)
    writer = GGUFWriter(path, architecture(model))
    writer.add_type(GGUFType.ADAPTER)
    writer.add_string(Keys.Adapter.TYPE, "lora")
    writer.add_float32(Keys.Adapter.LORA_ALPHA, float(delta.rank))
    record = {"base_digest": model.digest, "delta_digest": delta.digest, **(about or {})}
    for key, value in sorted(record.items()):
        writer.add_string(f"{_OURS}{key}", value)
    for name, factor in factors.items():
        ready = factor.padded(delta.rank).to(torch.float32, "cpu")
        writer.add_tensor(f"{name}.weight.lora_a", ready.right.detach().contiguous().numpy())
        writer.add_tensor(f"{name}.weight.lora_b", ready.left.detach().contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def architecture(model: EditableModel) -> str:
    """What llama.cpp calls the model's architecture.

    Raises:
        InputError: it has no name for it.
    """
    kind = str(model.model.config.model_type)
    if kind not in ARCHITECTURES:
        raise InputError(
            f"Model '{model.name}' is of type '{kind}', which cannot be written as GGUF; these can: "
            f"{', '.join(sorted(ARCHITECTURES))}. Export it with --to peft or --to merged."
        )
    return ARCHITECTURES[kind]


def tensors(model: EditableModel, delta: Delta) -> dict[str, LowRank]:
    """GGUF's name of each matrix (without `.weight`) -> what is added to it, as GGUF arranges it.

    Raises:
        InputError: an architecture that llama.cpp has no name for, a delta that changes nothing, or a matrix
            whose arrangement in GGUF is not known.
    """
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    kind, called = str(model.model.config.model_type), architecture(model)
    if not delta.rank:
        raise InputError("There is nothing to write: the delta changes no weight.")
    (arch,) = (arch for arch, name in MODEL_ARCH_NAMES.items() if name == called)
    names, found = get_tensor_name_map(arch, model.num_layers), {}
    for module, factor in delta.factors.items():
        name = names.get_name(module.replace("model.language_model.", "model."))
        attention = kind in (*PERMUTED, *ATTENTION_AS_IT_IS)
        if name is None or not (".ffn_" in name or (attention and ".attn_" in name)):
            raise InputError(
                f"The delta changes '{module}', and how GGUF keeps that matrix of a '{kind}' model is not "
                "known here. Export it with --to peft or --to merged."
            )
        found[name] = LowRank(arranged(model, name, factor.left), factor.right)
    return found


def arranged(model: EditableModel, name: str, rows: Tensor) -> Tensor:
    """The rows of a matrix in the order that GGUF has them: another one for Llama's queries and keys, where
    in each head the two halves of a rotation, which transformers keeps apart, alternate.

    Args:
        name: GGUF's name of the matrix, without `.weight`.
        rows: (d_out, n).
    """
    config, part = model.model.config, name.rpartition(".")[2]
    if config.model_type not in PERMUTED or part not in ("attn_q", "attn_k"):
        return rows
    heads = config.num_attention_heads if part == "attn_q" else config.num_key_value_heads
    return rows.reshape(heads, 2, len(rows) // heads // 2, -1).transpose(1, 2).reshape(rows.shape)
