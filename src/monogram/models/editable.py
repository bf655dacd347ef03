"""EditableModel: a causal LM with its tokenizer, ready to be read and edited.

It knows how a conversation becomes tokens (the answer starts right after the last of them), where the MLP
matrices are, when an answer has ended, and what the weights' digest is. It never writes to the weights.

Conversations use the tokenizer's chat template with its generation prompt, thinking switched off where the
template knows the switch; a model without one is given the plain template of `chat.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from monogram.errors import InputError, LayerError, ModelError
from monogram.models.chat import Message, checked_messages, end_of_turn, plain_chat, template_ids
from monogram.models.device import chosen_device, chosen_dtype
from monogram.models.layout import Layout, layout_of, sizes
from monogram.models.reading import read


class EditableModel:
    """A causal LM that can be read and edited. Make one with `load` or `wrap`.

    Attributes:
        model: the `transformers` model, in eval mode, without gradients on its weights.
        tokenizer: its tokenizer.
        layout: where its layers and MLP matrices are.
        name: the name it was asked for by.
    """

    def __init__(self, model: Any, tokenizer: Any, layout: Layout, name: str) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.layout = layout
        self.name = name

    @classmethod
    def load(
        cls,
        name: str = "smollm2",
        *,
        home: Path | None = None,
        dtype: torch.dtype | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> EditableModel:
        """Load the embedded default, a folder, a GGUF file, a hub id, or random weights of a shape, on to
        `$MONOGRAM_DEVICE` (`cpu` by default, `cuda`, `cuda:1`, `mps`).

        Args:
            name: what to load, see `models.sources.resolve` and `models.random_weights.drawn`.
            home: where models are kept; `$MONOGRAM_HOME` by default.
            dtype: of the weights; by default `$MONOGRAM_DTYPE` (`float32`, `bfloat16`), else the files' own.
            progress: called with (what, done, total) while something is fetched.

        Raises:
            ModelError: not found, not fetched, broken files, a kind that cannot be edited, or a device or
                type that is not there.
        """
        from monogram.models.random_weights import PREFIX, drawn
        from monogram.models.sources import resolve

        place = chosen_device()
        if name.startswith(PREFIX):
            model, tokenizer = drawn(name, home=home, dtype=dtype, progress=progress)
        else:
            folder = resolve(name, home=home, progress=progress).folder
            model, tokenizer = read(folder, name=name, dtype=dtype or chosen_dtype())
        return cls.wrap(model.to(place), tokenizer, name=name)

    @classmethod
    def wrap(cls, model: Any, tokenizer: Any, *, name: str) -> EditableModel:
        """Wrap a model and tokenizer that are already in memory; switches the model to eval mode.

        Raises:
            UnsupportedModelError: a mixture of experts, or no MLP that can be recognised.
        """
        layout = layout_of(model)
        model.eval().requires_grad_(False)
        return cls(model, tokenizer, layout, name)

    @cached_property
    def digest(self) -> str:
        """sha256 of all weights, taken once: names, types, shapes and bytes."""
        return self.weights_digest()

    def weights_digest(self) -> str:
        """sha256 of all weights as they are now. Tied weights count once."""
        total = hashlib.sha256()
        seen: set[tuple[int, torch.Size]] = set()
        for key, tensor in sorted(self.model.state_dict().items()):
            if (place := (tensor.data_ptr(), tensor.shape)) in seen and tensor.numel():
                continue
            seen.add(place)
            total.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return total.hexdigest()

    @property
    def num_layers(self) -> int:
        """How many decoder layers there are."""
        layers: nn.ModuleList = self.model.get_submodule(self.layout.layers)
        return len(layers)

    @property
    def width(self) -> int:
        """Width of the residual stream (outputs of `down`)."""
        return self._down_sizes()[0]

    @property
    def inner(self) -> int:
        """Neurons per MLP, d_ff (inputs of `down`)."""
        return self._down_sizes()[1]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.matrix("down", 0).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the MLP's weights."""
        return self.matrix("down", 0).dtype

    @property
    def context(self) -> int | None:
        """The longest sequence the model is made for, in tokens; None where it states none."""
        longest = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return int(longest) if longest else None

    def refuse_longer(self, tokens: int) -> None:
        """Raise InputError for a conversation of so many tokens that leaves no room for an answer."""
        if self.context is not None and tokens >= self.context:
            raise InputError(
                f"The conversation has {tokens} tokens; model '{self.name}' takes {self.context} with the "
                "answer. Shorten it."
            )

    def module(self, name: str) -> nn.Module:
        """A module by its full name.

        Raises:
            LayerError: there is no module of that name.
        """
        try:
            found: nn.Module = self.model.get_submodule(name)
        except AttributeError:
            raise LayerError(
                f"Module '{name}' is not in model '{self.name}', whose layers are 0 to {self.num_layers - 1}."
            ) from None
        return found

    def names(self, layer: int) -> dict[str, str]:
        """Role -> full module name of one layer, checked: roles of `Layout.module_names`.

        Raises:
            LayerError: the layer is not there (negative ones are not counted from the end).
        """
        if not 0 <= layer < self.num_layers:
            raise LayerError(
                f"Layer {layer} is not there: model '{self.name}' has layers 0 to {self.num_layers - 1}."
            )
        return self.layout.module_names(layer)

    def matrix(self, role: str, layer: int) -> Tensor:
        """The weight of `down`, `up` or `gate` as a view (d_out, d_in), however it is stored. Not to be
        written to.

        Raises:
            LayerError: no such layer, or no such matrix in this model.
        """
        names = self.names(layer)
        if role not in ("down", "up", "gate") or role not in names:
            known = ", ".join(r for r in ("down", "up", "gate") if r in names)
            raise LayerError(f"Model '{self.name}' has no matrix '{role}' in its MLPs; it has {known}.")
        module = self.module(names[role])
        weight = cast(Tensor, module.weight)
        weight = weight.T if self.layout.conv1d else weight
        if self.layout.fused_gate is None or role == "down":
            return weight
        return weight[self.layout.rows(role, self.inner)]

    def _down_sizes(self) -> tuple[int, int]:
        found = sizes(self.module(self.layout.module_names(0)["down"]))
        if found is None:
            raise ModelError(f"The MLP's output matrix of model '{self.name}' is neither Linear nor Conv1D.")
        return found

    @property
    def has_template(self) -> bool:
        """Whether the tokenizer brings a chat template; if not, the plain one is used."""
        return bool(getattr(self.tokenizer, "chat_template", None))

    def chat_ids(self, messages: str | Sequence[Message]) -> list[int]:
        """Tokens of a conversation up to where the answer starts. A string is one message of the user.

        Where a template refuses system messages, their text is put before the first message of the user.

        Raises:
            InputError: no messages, an unknown role, or a conversation that the template refuses.
        """
        chat = checked_messages(messages)
        if not self.has_template:
            return [int(i) for i in self.tokenizer(plain_chat(chat)).input_ids]
        return template_ids(self.tokenizer, chat, self.name)

    @cached_property
    def eos_ids(self) -> frozenset[int]:
        """Tokens that end an answer: the tokenizer's, the settings' and the template's end of turn."""
        found: set[int] = set()
        settings = getattr(self.model, "generation_config", None)
        for source in (self.tokenizer, settings, self.model.config):
            ids = getattr(source, "eos_token_id", None)
            found.update([ids] if isinstance(ids, int) else ids or [])
        if self.has_template and (end := end_of_turn(self.tokenizer)) is not None:
            found.add(end)
        return frozenset(found)

    @cached_property
    def line_breaks(self) -> frozenset[int]:
        """Tokens that hold a line break, as byte-level and SentencePiece vocabularies write it."""
        written = ("\n", "\u010a", "<0x0A>")
        known = self.tokenizer.get_vocab().items()
        return frozenset(int(i) for token, i in known if any(mark in token for mark in written))

    @property
    def pad_id(self) -> int:
        """The token that fills short rows; it is masked wherever it stands."""
        pad = self.tokenizer.pad_token_id
        return int(pad) if pad is not None else min(self.eos_ids, default=0)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of tokens, special tokens left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))
