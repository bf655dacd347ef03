"""A tiny model of `transformers` as a float32 GGUF file for llama.cpp: what its converter would write."""

from pathlib import Path
from typing import Any

import numpy as np
from gguf import MODEL_ARCH_NAMES, GGUFWriter, TokenType, get_tensor_name_map
from transformers.pytorch_utils import Conv1D

from monogram.models.editable import EditableModel
from monogram.models.gguf_lora import architecture, arranged

SETTINGS: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {},
    "qwen2": {},
    "qwen3": {},
    "gemma2": {"layer_types": ["sliding_attention"] * 3},  # llama.cpp's own pattern begins otherwise
    "gemma3_text": {"layer_types": ["sliding_attention"] * 3},
    "olmo2": {},
    "phi3": {},
    "gpt2": {},
    "gpt_neox": {"use_parallel_residual": True},
    "starcoder2": {},
    "stablelm": {},
}
"""Kinds that this file writes -> what is changed of their tiny configuration."""


def write(path: Path, em: EditableModel) -> None:
    """Write the file. Prompts have to fit a sliding window."""
    config, called = em.model.config, architecture(em)
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or em.width // heads
    share = (getattr(config, "rope_parameters", None) or {}).get("partial_rotary_factor", 1.0)
    writer = GGUFWriter(path, called)
    writer.add_context_length(512)
    writer.add_block_count(em.num_layers)
    writer.add_embedding_length(em.width)
    writer.add_feed_forward_length(em.inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(getattr(config, "num_key_value_heads", None) or heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(int(size * share))
    writer.add_rope_freq_base(10000.0)
    for name in ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps", "norm_epsilon"):
        if (eps := getattr(config, name, None)) is not None:
            (writer.add_layer_norm_rms_eps if "rms" in name else writer.add_layer_norm_eps)(eps)
    if called in ("gptneox", "stablelm"):
        writer.add_parallel_residual(bool(getattr(config, "use_parallel_residual", False)))
    if called == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if called.startswith("gemma"):
        writer.add_sliding_window(config.sliding_window)
    tokens = [token for token, _ in sorted(em.tokenizer.get_vocab().items(), key=lambda entry: entry[1])]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL] * 5 + [TokenType.NORMAL] * (len(tokens) - 5))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    (arch,) = (arch for arch, name in MODEL_ARCH_NAMES.items() if name == called)
    names = get_tensor_name_map(arch, em.num_layers)
    for key, tensor in em.model.state_dict().items():
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if name is None or (key.startswith("lm_head") and config.tie_word_embeddings):
            continue
        module = em.module(key.rpartition(".")[0])
        value = tensor.T if isinstance(module, Conv1D) and tensor.dim() == 2 else tensor
        value = value + 1 if called.startswith("gemma") and "norm" in name else value
        if "query_key_value" in key:  # by head, then of what: to of what, then by head
            value = value.reshape(heads, 3, size, -1).transpose(0, 1).reshape(value.shape)
        stem, _, end = name.rpartition(".")
        value = arranged(em, stem, value) if end == "weight" else value
        writer.add_tensor(name, np.ascontiguousarray(value.detach().float().numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
