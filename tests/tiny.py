"""Tiny random models and a tiny real tokenizer, built in process: nothing is fetched, nothing is read from
disk.

`model("llama")` is a real `transformers` model of that type, hidden width 32, a few layers, random weights
drawn from a seed (large enough that logits differ). `tokenizer()` works on bytes, so every text survives the
round trip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

if TYPE_CHECKING:
    from monogram.models.editable import EditableModel

SPECIAL = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]  # ids 0..4, bytes follow
VOCAB = len(SPECIAL) + 256
WIDTH, INNER, LAYERS, WINDOW = 32, 48, 3, 6

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_GPT: dict[str, Any] = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4, "n_inner": INNER, "n_positions": 512}
_SLIDING = ["sliding_attention", "full_attention", "sliding_attention"]
_MODERN: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
_GEMMA: dict[str, Any] = _MODERN | {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": WINDOW}

SETTINGS: dict[str, dict[str, Any]] = {
    "llama": _MODERN,
    "mistral": _MODERN | {"sliding_window": WINDOW, "head_dim": 8},
    "qwen2": _MODERN,
    "qwen3": _MODERN | {"head_dim": 16},
    "gemma2": _GEMMA | {"layer_types": _SLIDING},
    "gemma3_text": _GEMMA | {"layer_types": _SLIDING},
    "olmo": _MODERN,
    "olmo2": _MODERN,
    "phi3": _MODERN,
    "gpt2": _GPT,
    "gptj": _GPT | {"rotary_dim": 4},
    "gpt_neox": {k: v for k, v in _MODERN.items() if k != "num_key_value_heads"},
    # outside the table, found structurally
    "stablelm": _MODERN,
    "starcoder2": _MODERN,
    "cohere": _MODERN,
    # refused
    "mixtral": _MODERN | {"num_local_experts": 4},
    "qwen3_moe": _MODERN | {"num_experts": 4, "moe_intermediate_size": 16, "head_dim": 8},
}
TABLE = tuple(list(SETTINGS)[:12])
STRUCTURAL = ("stablelm", "starcoder2", "cohere")
EXPERTS = ("mixtral", "qwen3_moe")


def config(kind: str, **changes: Any) -> Any:
    """The configuration of a tiny model; `changes` override its settings."""
    ids = {"vocab_size": VOCAB, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return AutoConfig.for_model(kind, **(SETTINGS[kind] | ids | changes))


def model(kind: str = "llama", *, dtype: torch.dtype = torch.float64, seed: int = 0, **changes: Any) -> Any:
    """A random model of type `kind` in eval mode; the same seed gives the same weights to the bit."""
    made: PreTrainedModel = AutoModelForCausalLM.from_config(config(kind, **changes)).to(torch.float64)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            noise = torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
            if parameter.dim() > 1:
                parameter.copy_(0.2 * noise)
            else:
                parameter.add_(0.1 * noise)
    made.generation_config.pad_token_id = 0
    return made.to(dtype).eval().requires_grad_(False)


def tokenizer(*, chat: bool = True) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of 261 tokens, with or without a chat template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate([*SPECIAL, *alphabet])}
    core = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
    )
    if chat:
        made.chat_template = TEMPLATE
    return made


def editable(
    kind: str = "llama",
    *,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    chat: bool = True,
    name: str | None = None,
    **changes: Any,
) -> EditableModel:
    """A tiny model with its tokenizer, wrapped as the library wraps every model."""
    from monogram.models.editable import EditableModel

    made = model(kind, dtype=dtype, seed=seed, **changes)
    return EditableModel.wrap(made, tokenizer(chat=chat), name=name or f"tiny-{kind}")
