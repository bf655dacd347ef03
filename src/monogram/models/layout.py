"""Where a model keeps its layers and the matrices of its MLPs.

    layout_of(model) -> Layout        by `config.model_type`, else found structurally, else refused

A layout names modules; it holds no tensors. Orientation is never guessed from shapes: it comes from the table
and from the module's class (`nn.Linear` keeps its weight as (out, in), GPT-2's `Conv1D` as (in, out)).

    x ──> gate ──> act ─┐
    x ──> up ───────────┴──> (·) ──> down ──> [post_norm] ──> + residual stream        gated
    x ──> up ──> act ──> down ──> + residual stream                                    plain (gate is None)

Mixtures of experts are refused: a token's MLP is not one matrix there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from monogram.errors import UnsupportedModelError


@dataclass(frozen=True)
class Layout:
    """Names of the parts of one model type, relative to the layer; `layers` is relative to the model.

    Args:
        layers: path of the list of decoder layers ("model.layers").
        mlp: the MLP inside a layer.
        down: the MLP's output matrix (d_ff -> width), inside the MLP.
        up: the matrix into the MLP's neurons (width -> d_ff); the fused matrix where gate and up are one.
        gate: the gate's matrix, or None: the MLP has none, or it is fused.
        fused_gate: one matrix of 2·d_ff rows, the gate's first, then up's (Phi-3); else None.
        conv1d: the matrices are `Conv1D`, whose weight is stored (in, out).
        post_norm: the norm on the MLP's output before it joins the residual stream, in the layer, or None.
    """

    layers: str
    mlp: str
    down: str
    up: str
    gate: str | None = None
    fused_gate: str | None = None
    conv1d: bool = False
    post_norm: str | None = None

    @property
    def gated(self) -> bool:
        """Whether the MLP's neurons have a gate."""
        return self.gate is not None or self.fused_gate is not None

    def module_names(self, layer: int) -> dict[str, str]:
        """Role -> full module name, for one layer. Roles: layer, mlp, down, up; gate and post_norm where they
        are.

        Where gate and up are fused, both roles name the fused module; `rows` tells which of its rows are
        whose.
        """
        block = f"{self.layers}.{layer}"
        mlp = f"{block}.{self.mlp}"
        names = {"layer": block, "mlp": mlp, "down": f"{mlp}.{self.down}", "up": f"{mlp}.{self.up}"}
        if self.fused_gate is not None:
            names["gate"] = f"{mlp}.{self.fused_gate}"
        elif self.gate is not None:
            names["gate"] = f"{mlp}.{self.gate}"
        if self.post_norm is not None:
            names["post_norm"] = f"{block}.{self.post_norm}"
        return names

    def rows(self, role: str, inner: int) -> slice:
        """Which rows (outputs) of the role's module are its own; `inner` is d_ff. All unless fused."""
        if self.fused_gate is not None and role in ("gate", "up"):
            return slice(0, inner) if role == "gate" else slice(inner, 2 * inner)
        return slice(None)


_LLAMA = Layout("model.layers", "mlp", "down_proj", "up_proj", gate="gate_proj")
_NORMED = replace(_LLAMA, post_norm="post_feedforward_layernorm")

TABLE: dict[str, Layout] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma2": _NORMED,
    "gemma3_text": _NORMED,
    "gemma3": replace(_NORMED, layers="model.language_model.layers"),
    "olmo": _LLAMA,
    "olmo2": _NORMED,
    "phi3": Layout("model.layers", "mlp", "down_proj", "gate_up_proj", fused_gate="gate_up_proj"),
    "gpt2": Layout("transformer.h", "mlp", "c_proj", "c_fc", conv1d=True),
    "gptj": Layout("transformer.h", "mlp", "fc_out", "fc_in"),
    "gpt_neox": Layout("gpt_neox.layers", "mlp", "dense_4h_to_h", "dense_h_to_4h"),
}


def layout_of(model: PreTrainedModel) -> Layout:
    """The layout of a causal LM of `transformers`.

    Raises:
        UnsupportedModelError: a mixture of experts, or no MLP that can be recognised.
    """
    kind = str(getattr(model.config, "model_type", type(model).__name__))
    _refuse_experts(model, kind)
    layout = TABLE.get(kind)
    if layout is not None and _fits(model, layout):
        return layout
    return _found(model, kind)


def sizes(module: nn.Module) -> tuple[int, int] | None:
    """(outputs, inputs) of a matrix module by its class, or None where it is not a matrix."""
    if isinstance(module, nn.Linear):
        return module.out_features, module.in_features
    if isinstance(module, Conv1D):
        return int(module.nf), int(module.nx)
    return None


def _refuse_experts(model: nn.Module, kind: str) -> None:
    for name, module in model.named_modules():
        if isinstance(module, PreTrainedModel):
            continue  # a dense model may carry the family's name
        if name.rpartition(".")[2] in ("experts", "router") or "moe" in type(module).__name__.lower():
            raise UnsupportedModelError(
                f"Model type '{kind}' is a mixture of experts ('{name}'), and a preference is edited into "
                "one dense MLP. Use a dense model."
            )


def _fits(model: nn.Module, layout: Layout) -> bool:
    modules = dict(model.named_modules())
    return all(name in modules for name in layout.module_names(0).values())


def _found(model: PreTrainedModel, kind: str) -> Layout:
    """Find the layers, and in them the one MLP, from classes, widths that the classes state, and names."""
    width = getattr(model.config.get_text_config(), "hidden_size", None)
    lists = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) and len({type(block) for block in module}) == 1
    ]
    found: list[Layout] = []
    for name, blocks in lists:
        for child_name, child in blocks[0].named_children():
            if "attn" in child_name.lower() or "attention" in child_name.lower():
                continue
            layout = _mlp_layout(name, child_name, child, width)
            if layout is not None:
                found.append(replace(layout, post_norm=_post_norm(blocks[0])))
    if len(found) != 1:
        what = "no MLP" if not found else f"{len(found)} MLPs per layer, or several stacks of layers,"
        raise UnsupportedModelError(
            f"Model type '{kind}' is not in the table, and {what} with one matrix back to the model's width "
            f"({width}) could be made out. Known types: {', '.join(sorted(TABLE))}."
        )
    return found[0]


def _mlp_layout(layers: str, name: str, mlp: nn.Module, width: int | None) -> Layout | None:
    """The layout of one candidate MLP, or None where its matrices don't add up to one."""
    matrices = {n: s for n, m in mlp.named_children() if (s := sizes(m)) is not None}
    downs = [n for n, (out, _) in matrices.items() if out == width and not _inward(n)]
    ups = [n for n, (_, inp) in matrices.items() if inp == width and n not in downs]
    if len(downs) != 1 or len(ups) not in (1, 2) or len(matrices) != 1 + len(ups):
        return None
    down = downs[0]
    inner = matrices[down][1]
    conv1d = isinstance(mlp.get_submodule(down), Conv1D)
    if any(isinstance(mlp.get_submodule(n), Conv1D) != conv1d for n in ups):
        return None
    if len(ups) == 1:
        rows = matrices[ups[0]][0]
        if rows == inner:
            return Layout(layers, name, down, ups[0], conv1d=conv1d)
        if rows == 2 * inner and ups[0] == "gate_up_proj":  # the name states the order of the rows
            return Layout(layers, name, down, ups[0], fused_gate=ups[0], conv1d=conv1d)
        return None
    gates = [n for n in ups if "gate" in n] or [n for n in ups if set(ups) == {"w1", "w3"} and n == "w1"]
    if len(gates) != 1 or any(matrices[n][0] != inner for n in ups):
        return None
    up = next(n for n in ups if n != gates[0])
    return Layout(layers, name, down, up, gate=gates[0], conv1d=conv1d)


def _inward(name: str) -> bool:
    """A matrix whose name says that it leads into the neurons: matters only where d_ff equals the width."""
    return any(word in name for word in ("up", "gate", "fc_in", "c_fc", "h_to_4h", "fc1", "w1", "w3"))


def _post_norm(block: nn.Module) -> str | None:
    for name in ("post_feedforward_layernorm", "post_mlp_layernorm"):
        if hasattr(block, name):
            return name
    return None
