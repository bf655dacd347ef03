"""What says something of a person, sealed at rest: AES-256-GCM (NIST SP 800-38D) under the store's key.

    openssl rand -hex 32 > key; chmod 600 key
    MONOGRAM_KEY_FILE=key monogram serve

Adapters and artefacts are sealed where there is a key; the ledger is its database's to protect. What is
sealed is bound to its place, so that nothing is taken for another. Without the key it is lost, and has to be
compiled again from the ledger. A key is changed by putting the new one before it (`store/resealing.py`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from monogram.errors import StoreError

MAGIC = b"MGSEAL1\n"
_NONCE, _KEY = 12, 32


class Seal:
    """A key that seals and opens, and older ones that open.

    Args:
        key, older: 32 random bytes each.

    Raises:
        StoreError: another length, or the package `cryptography` is not installed.
    """

    def __init__(self, key: bytes, *older: bytes) -> None:
        for each in (key, *older):
            if len(each) != _KEY:
                raise StoreError(f"A key has {_KEY} bytes, not {len(each)}. Make one: openssl rand -hex 32")
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ModuleNotFoundError as error:
            raise StoreError(
                f"Sealing needs {error.name}, which is not installed: pip install 'monogram[serve]'."
            ) from error
        self._cipher, self._older, self._wrong = AESGCM(key), [AESGCM(each) for each in older], InvalidTag

    @classmethod
    def found(cls) -> Seal | None:
        """The keys in the file that ``$MONOGRAM_KEY_FILE`` names, 64 hex digits a line; None without the
        variable. The first seals.

        Raises:
            StoreError: there is no such file, or no key in it.
        """
        named = os.environ.get("MONOGRAM_KEY_FILE")
        if not named:
            return None
        try:
            lines = Path(named).expanduser().read_text(encoding="ascii").split()
            return cls(*map(bytes.fromhex, lines or [""]))
        except (OSError, ValueError) as error:
            raise StoreError(
                f"MONOGRAM_KEY_FILE names {named}, which is no file of 64 hex digits a line. Make one: "
                f"openssl rand -hex 32 > {named}"
            ) from error

    def close(self, plain: bytes, place: str) -> bytes:
        """Seal what belongs to a place."""
        nonce = os.urandom(_NONCE)
        return MAGIC + nonce + self._cipher.encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """What was sealed for this place.

        Raises:
            StoreError: it was changed, sealed with another key, or for another place.
        """
        return self._opened(sealed, place)[0]

    def renewed(self, told: bytes, place: str) -> bytes | None:
        """What was plain, or sealed with an older key, sealed with the first; None where it is already.

        Raises:
            StoreError: as `open`.
        """
        if not is_sealed(told):
            return self.close(told, place)
        plain, by = self._opened(told, place)
        return None if by is self._cipher else self.close(plain, place)

    def _opened(self, sealed: bytes, place: str) -> tuple[bytes, object]:
        """What was sealed, and what opened it."""
        nonce, rest = sealed[len(MAGIC) :][:_NONCE], sealed[len(MAGIC) + _NONCE :]
        for cipher in (self._cipher, *self._older) if is_sealed(sealed) else ():
            with suppress(self._wrong, ValueError):
                return cipher.decrypt(nonce, rest, place.encode()), cipher
        raise StoreError("It was changed, or sealed with another key.")


def is_sealed(told: bytes) -> bool:
    """Whether these bytes are sealed ones."""
    return told.startswith(MAGIC)
