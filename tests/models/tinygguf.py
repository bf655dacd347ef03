"""A tiny random Llama with a byte tokenizer, as a GGUF file: enough for transformers to read it back."""

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

WIDTH, INNER, LAYERS, HEADS = 32, 48, 2, 4


def write(path: Path, seed: int = 0) -> dict[str, np.ndarray]:
    """Write the file and return its matrices by the names that transformers gives them."""
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    # GPT-2's alphabet: every byte has a printable character.
    letters = [chr(n) for n in (*range(33, 127), *range(161, 173), *range(174, 256))]
    letters += [chr(256 + n) for n in range(256 - len(letters))]
    tokens = ["<unk>", "<s>", "</s>", *letters, "ab"]
    kinds = [TokenType.CONTROL] * 3 + [TokenType.NORMAL] * (len(letters) + 1)

    writer = GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["a b"])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)

    written: dict[str, np.ndarray] = {}

    def add(name: str, to: str, value: np.ndarray) -> None:
        writer.add_tensor(name, value)
        written[to] = value

    add("token_embd.weight", "model.embed_tokens.weight", draw(len(tokens), WIDTH))
    add("output_norm.weight", "model.norm.weight", draw(WIDTH))
    for n in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{n}.{name}.weight", draw(WIDTH))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{n}.{name}.weight", draw(WIDTH, WIDTH))
        layer = f"model.layers.{n}.mlp"
        add(f"blk.{n}.ffn_gate.weight", f"{layer}.gate_proj.weight", draw(INNER, WIDTH))
        add(f"blk.{n}.ffn_up.weight", f"{layer}.up_proj.weight", draw(INNER, WIDTH))
        add(f"blk.{n}.ffn_down.weight", f"{layer}.down_proj.weight", draw(WIDTH, INNER))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return written
