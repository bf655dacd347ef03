"""A model with a delta merged in, as a folder of its own; and the name others find a base model by."""

from collections.abc import Callable
from pathlib import Path

from monogram.delta import Delta
from monogram.errors import InputError
from monogram.files import aside, need_room
from monogram.models.attach import merge
from monogram.models.editable import EditableModel
from monogram.models.reading import quiet


def save_merged(
    model: EditableModel, delta: Delta, folder: Path, *, then: Callable[[Path], None] | None = None
) -> None:
    """Write the model with the delta in its weights, and its tokenizer, as transformers reads them.

    The folder appears whole or not at all; the model in memory stays as it is.

    Args:
        then: called with the folder that was written, before it gets its name; it may add to it.

    Raises:
        InputError: the folder is there and not empty.
        DiskFullError: no room; nothing is left behind.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there and not empty. Choose another folder; nothing was written.")
    need_room(
        folder.absolute(), int(1.05 * sum(p.numel() * p.element_size() for p in model.model.parameters()))
    )
    whole = merge(model, delta)
    with quiet(), aside(folder, replace=True) as work:
        whole.save_pretrained(work)
        model.tokenizer.save_pretrained(work)
        del whole
        if then is not None:
            then(work)


def base_name(model: EditableModel) -> str:
    """What PEFT finds the base model by: its hub id, or the folder that it was loaded from."""
    path = str(getattr(model.model, "name_or_path", "") or "")
    is_hub_id = model.name.count("/") == 1 and not Path(model.name).exists()
    return model.name if is_hub_id or not path else path
