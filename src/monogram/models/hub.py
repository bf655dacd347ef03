"""A model of the Hugging Face hub, brought to its own cache on this machine by huggingface_hub."""

from pathlib import Path
from typing import Any

from monogram.errors import DiskFullError, ModelFetchError, ModelNotFoundError
from monogram.files import is_disk_full
from monogram.models.fetch import Progress

SMALL = ["*.json", "*.jinja", "*.model", "*.txt"]
ASIDE = ["*/*", "consolidated*"]
"""Other formats of the same weights."""


def snapshot(name: str, *, progress: Progress | None = None) -> Path:
    """The folder of the hub model ``owner/name``: its newest version, or the one in the cache when offline.

    Weights come as safetensors; only where there are none, as ``pytorch_model*.bin``.

    Raises:
        ModelNotFoundError: the hub has no such model, or does not show it to this account.
        ModelFetchError: it is not in the cache and the hub cannot be reached.
        DiskFullError: no room for it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from huggingface_hub.errors import RepositoryNotFoundError as NotThere
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):  # shows nothing, and hands the bytes on
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **{**settings, "disable": True})  # type: ignore[no-untyped-call]
            self.counts = str(settings.get("desc", "")).startswith("Downloading")

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if self.counts and progress is not None:
                progress(f"fetching {name}", int(self.n), int(self.total or 0))

    def bring(patterns: list[str]) -> Path:
        return Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=ASIDE, tqdm_class=Bar))

    try:
        folder = bring([*SMALL, "*.safetensors"])
        if not any(folder.glob("*.safetensors")):
            folder = bring([*SMALL, "pytorch_model*.bin"])
    except HFValidationError as error:
        raise ModelNotFoundError(f"{name!r} is no hub id. Check the spelling of 'owner/name'.") from error
    except NotThere as error:  # a gated one is a kind of it
        raise ModelNotFoundError(
            f"The hub shows no model {name!r} to you. Check the spelling; where it is gated or private, "
            "accept its terms and run `hf auth login`."
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        if is_disk_full(error):
            raise DiskFullError(
                f"The disk filled up while {name!r} was fetched. Make room and try again."
            ) from error
        raise ModelFetchError(
            f"The model {name!r} is not on this machine, and the hub could not be reached "
            f"({type(error).__name__}). Try again with a network, name a folder or a .gguf file, or use the "
            "embedded model 'smollm2'."
        ) from error
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
        raise ModelNotFoundError(f"The hub's {name!r} holds no safetensors weights. Name another model.")
    return folder
