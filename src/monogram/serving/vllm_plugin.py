"""Inside vLLM: brings people's adapters when they are asked for, and lets go of what is forgotten.

    VLLM_PLUGINS=monogram MONOGRAM_BASE_DIGEST=... vllm serve MODEL --enable-lora ...      (`monogram vllm`)

Two entry points, both called `monogram`: in `vllm.general_plugins` a LoRA resolver, which gives out nothing
but checked adapters of the store that the environment names (MONOGRAM_HOME, MONOGRAM_ADAPTERS,
MONOGRAM_KEY_FILE); in `vllm.endpoint_plugins` the routes that the gateway tells and asks it by. Both are
behind vLLM's own API key. vLLM is imported by nothing but what runs in it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from monogram.errors import MonogramError
from monogram.files import people_home
from monogram.models.layout import sizes
from monogram.seal import Seal
from monogram.serving.spool import Spool, Takes, private_folder
from monogram.store.store import adapter_folders

log = logging.getLogger("vllm.monogram")
LEFT = ("/health", "/metrics", "/version", "/v1/models", "/v1/completions")
"""What stays of vLLM's own routes."""
DIGEST, SPOOL = "MONOGRAM_BASE_DIGEST", "MONOGRAM_SPOOL"


class Adapters:
    """vLLM's LoRA resolver (`vllm.lora.resolver.LoRAResolver`); `spool` has what it gave out."""

    def __init__(self) -> None:
        self.spool: Spool | None = None

    def begin(self, takes: Takes) -> Spool:
        """Give adapters out from now on, in the one process of vLLM's that is asked for them.

        Raises:
            RuntimeError: the environment does not say for which model.
        """
        digest = os.environ.get(DIGEST, "")
        if len(digest) != 64:
            raise RuntimeError(f"{DIGEST} must say the model's digest: `monogram vllm MODEL` prints it.")
        place = Path(os.environ.get(SPOOL) or tempfile.gettempdir())
        shelves = adapter_folders(people_home(), Seal.found())
        self.spool = Spool(shelves, digest, takes, private_folder(place))
        return self.spool

    async def resolve_lora(self, base_model_name: str, lora_name: str) -> Any:
        """An adapter that vLLM may load; None where there is none, or it must not (the log says why)."""
        from vllm.lora.request import LoRARequest

        del base_model_name
        if self.spool is None:
            log.error("Adapters are not given out: start vLLM with VLLM_PLUGINS=monogram.")
            return None
        try:
            folder = await asyncio.to_thread(self.spool.put, lora_name)
        except MonogramError as error:
            log.error("Adapter %r is refused. %s", lora_name[:100], error)
            return None
        if folder is None:
            log.warning("There is no adapter %r.", lora_name[:100])
            return None
        return LoRARequest(lora_name=lora_name, lora_int_id=1, lora_path=str(folder))  # vLLM gives the number


@dataclass
class Routes:
    """vLLM's endpoint plugin: what the gateway may ask and tell."""

    name: str = "monogram"
    required_tasks: tuple[str, ...] = ("generate",)
    _spool: Spool = field(init=False)
    _engine: Any = field(default=None, init=False)
    _state: Any = field(default=None, init=False)

    def attach_router(self, app: Any) -> None:
        """Put the routes into vLLM's application, and take all out that the gateway does not need: several
        of them ask for no key.
        """
        app.router.routes[:] = [route for route in app.routes if getattr(route, "path", "") in LEFT]
        app.add_api_route("/v1/monogram", self.about, methods=["GET"])
        app.add_api_route("/v1/monogram/keep", self.keep, methods=["POST"])

    async def init_state(self, engine_client: Any, state: Any, args: Any) -> None:
        """Learn what the engine takes.

        Raises:
            RuntimeError: vLLM was started so that it takes no adapters, or nobody said for which model.
        """
        from vllm.lora.resolver import LoRAResolverRegistry
        from vllm.model_executor.models import ModelRegistry

        del args
        config = engine_client.vllm_config
        if config.lora_config is None:
            raise RuntimeError("People's adapters need --enable-lora.")
        kind, _ = ModelRegistry.resolve_model_cls(config.model_config.architectures, config.model_config)
        packed = getattr(kind, "packed_modules_mapping", {})
        adapters: Adapters = LoRAResolverRegistry.get_resolver("monogram")
        self._spool = adapters.begin(
            Takes(
                shapes(config.model_config.hf_config, config.lora_config.target_modules, packed),
                config.lora_config.max_lora_rank,
            )
        )
        self._engine, self._state = engine_client, state
        log.info("People's adapters come from %s, for %s.", people_home(), self._spool.base_digest[:12])

    async def about(self) -> dict[str, Any]:
        """Which model this is, and what it takes."""
        return {
            "base_digest": self._spool.base_digest,
            "modules": sorted(self._spool.takes.shapes),
            "rank": self._spool.takes.rank,
            "held": sum(map(len, self._spool.held.values())),
        }

    async def keep(self, told: dict[str, str]) -> dict[str, Any]:
        """Let go of all of a person's adapters but one: `{"shelf": ..., "name": ...}`; of every one where the
        name is none of theirs."""
        gone = self._spool.others(told.get("shelf", ""), told.get("name", ""))
        for name in gone:
            await self._forgotten(name, await asyncio.to_thread(self._spool.forget, name))
        return {"forgotten": len(gone)}

    async def _forgotten(self, name: str, folder: Path) -> None:
        """Overwrite an adapter in the engine, too."""
        from vllm.lora.request import LoRARequest

        known = self._state.openai_serving_models.lora_requests
        if (held := known.get(name)) is not None:
            again = LoRARequest(name, held.lora_int_id, str(folder), load_inplace=True)
            await self._engine.add_lora(again)
            known[name] = LoRARequest(name, held.lora_int_id, str(folder))


def register() -> None:
    """What vLLM calls in each of its processes."""
    from vllm.lora.resolver import LoRAResolverRegistry

    if "monogram" not in LoRAResolverRegistry.get_supported_resolvers():
        LoRAResolverRegistry.register_resolver("monogram", Adapters())


def shapes(
    config: Any, targets: Sequence[str] | None, packed: Mapping[str, Sequence[str]]
) -> dict[str, tuple[int, int]]:
    """(outputs, inputs) of the modules that adapters may change, by full name.

    Args:
        config: the model's, as transformers has it.
        targets: of `--lora-target-modules`, full names or last ones; None for all. Where vLLM keeps several
            modules as one, a full name has to be that one's: adapters' parts for others are passed over.
        packed: what vLLM keeps as one: its last name, and theirs.
    """
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    every = {name: shape for name, module in model.named_modules() if (shape := sizes(module)) is not None}
    parent = {child: one for one, children in packed.items() for child in children}

    def taken(name: str) -> bool:
        path, _, last = name.rpartition(".")
        kept_in = parent.get(last, last)
        names = {kept_in, f"{path}.{kept_in}", *packed.get(kept_in, [last])}
        return targets is None or not names.isdisjoint(targets)

    return {name: shape for name, shape in every.items() if taken(name)}
