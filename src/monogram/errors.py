"""The whole tree of exceptions. Every message says what was asked, what was found, and what to do.

MonogramError
├── InputError (also ValueError)     bad text, a bad preference, a bad record in a file
│   └── UnknownNameError             a model, attribute, editor, method or user nobody knows; "did you mean"
├── ModelError
│   ├── ModelNotFoundError           no such model, folder or file
│   ├── ModelFetchError              no network, or a download that stayed broken
│   ├── ModelFileError               truncated or tampered model files
│   ├── UnsupportedModelError        mixture of experts, or a layout that cannot be read
│   └── LayerError (also IndexError) a layer that is not there
├── AdapterError
│   ├── AdapterFileError             truncated or tampered adapter files
│   │   └── SealedError              sealed, and there is no key, or another one
│   ├── NotCompiledError             there is no adapter for this model; it has to be compiled first
│   └── BaseMismatchError            an adapter of another base model
├── EndpointError                    a language model could not be asked; `.lasting`: nor will it be
│   └── AnswerError                  it was asked, and never answered so that it can be used
├── ReaderError                      what finds preferences in words could not be asked, or erred
├── EditRefusedError                 the receipt shows harm; `.receipt` has the figures
├── BusyError                        a server has as much to do as it can; ask again in a moment
└── StoreError
    ├── LedgerError                  the ledger cannot be read or written
    │   └── ChangedMeanwhileError    somebody else changed this person; nothing was changed now, do it again
    └── DiskFullError                no room left; nothing was changed
"""

import difflib
from collections.abc import Iterable


class MonogramError(Exception):
    """Anything that monogram explains: the message is one line that a person can act on."""


class InputError(MonogramError, ValueError):
    """What was given cannot be used: bad text, a bad preference, a bad record."""


class UnknownNameError(InputError):
    """A name that nobody knows. Made by :func:`unknown`, which says what was probably meant."""


class ModelError(MonogramError):
    """Something about a model."""


class ModelNotFoundError(ModelError):
    """No such model, folder or file."""


class ModelFetchError(ModelError):
    """The model is not here and could not be brought here."""


class ModelFileError(ModelError):
    """A model's files are truncated, changed or unreadable."""


class UnsupportedModelError(ModelError):
    """The model's layout cannot be edited (mixture of experts, or unknown)."""


class LayerError(ModelError, IndexError):
    """A layer that the model does not have."""


class AdapterError(MonogramError):
    """Something about a saved adapter."""


class AdapterFileError(AdapterError):
    """An adapter's files are truncated, changed or unreadable."""


class SealedError(AdapterFileError):
    """An adapter is sealed, and there is no key, or another one."""


class NotCompiledError(AdapterError):
    """There is no adapter of somebody for this model; it has to be compiled first."""


class BaseMismatchError(AdapterError):
    """The adapter was made for another base model."""


class EndpointError(MonogramError):
    """A language model could not be asked. ``lasting`` where asking again, or anything else, is no use."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class AnswerError(EndpointError):
    """A language model refuses, or kept answering so that it cannot be used."""


class ReaderError(MonogramError):
    """A reader could not be asked, or its answer cannot be used. Nothing was taken."""


class EditRefusedError(MonogramError):
    """The edit would do harm, so nothing was changed. ``receipt`` holds what was measured."""

    def __init__(self, message: str, receipt: object = None) -> None:
        super().__init__(message)
        self.receipt = receipt


class BusyError(MonogramError):
    """A server has as much to do as it can, or is closing. Ask again in a moment."""


class StoreError(MonogramError):
    """Something about what is kept on disk or in the ledger."""


class LedgerError(StoreError):
    """The ledger cannot be read or written, or does not say what it should."""


class ChangedMeanwhileError(LedgerError):
    """Somebody else changed this person since the change was begun, which changed nothing. Do it again."""


class DiskFullError(StoreError):
    """No room left on the disk; what was begun has been removed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest of ``known``, then (up to 30 of) all of them; empty when none are known.

    >>> did_you_mean("hoby", ["diet", "hobby"])
    "Did you mean 'hobby'? Known: diet, hobby."
    """
    names = sorted(set(known))
    if not names:
        return ""
    folded: dict[str, str] = {}
    for candidate in names:
        folded.setdefault(candidate.casefold(), candidate)
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    guess = f"Did you mean {folded[near[0]]!r}? " if near else ""
    more = f" and {len(names) - 30} more" if len(names) > 30 else ""
    return f"{guess}Known: {', '.join(names[:30])}{more}."


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error, for the caller to raise, about a ``name`` that is no ``kind`` (say "editor") we know."""
    shown = name if len(name) <= 80 else name[:79] + "…"
    hint = did_you_mean(name, known) or f"No {kind} is known yet."
    return UnknownNameError(f"Unknown {kind} {shown!r}. {hint}")
