"""What says something of a person, sealed at rest: AES-256-GCM (NIST SP 800-38D) under the store's one key.

    openssl rand -hex 32 > key; chmod 600 key
    MONOGRAM_KEY_FILE=key monogram serve

Adapters and artefacts are sealed where there is a key; the ledger is its database's to protect. What is
sealed is bound to its place, so that nothing is taken for another. Without the key it is lost, and has to be
compiled again from the ledger.
"""

from __future__ import annotations

import os
from pathlib import Path

from monogram.errors import StoreError

MAGIC = b"MGSEAL1\n"
_NONCE, _KEY = 12, 32


class Seal:
    """A key that seals and opens.

    Args:
        key: 32 random bytes.

    Raises:
        StoreError: another length, or the package `cryptography` is not installed.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY:
            raise StoreError(f"A key has {_KEY} bytes, not {len(key)}. Make one: openssl rand -hex 32")
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ModuleNotFoundError as error:
            raise StoreError(
                f"Sealing needs {error.name}, which is not installed: pip install 'monogram[serve]'."
            ) from error
        self._cipher, self._wrong = AESGCM(key), InvalidTag

    @classmethod
    def found(cls) -> Seal | None:
        """The key in the file that ``$MONOGRAM_KEY_FILE`` names, as 64 hex digits; None without the variable.

        Raises:
            StoreError: there is no such file, or no key in it.
        """
        named = os.environ.get("MONOGRAM_KEY_FILE")
        if not named:
            return None
        try:
            return cls(bytes.fromhex(Path(named).expanduser().read_text(encoding="ascii").strip()))
        except (OSError, ValueError) as error:
            raise StoreError(
                f"MONOGRAM_KEY_FILE names {named}, which is no file of 64 hex digits. Make one: "
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
        nonce, rest = sealed[len(MAGIC) :][:_NONCE], sealed[len(MAGIC) + _NONCE :]
        try:
            if not is_sealed(sealed):
                raise self._wrong
            return self._cipher.decrypt(nonce, rest, place.encode())
        except (self._wrong, ValueError) as error:
            raise StoreError("It was changed, or sealed with another key.") from error


def is_sealed(told: bytes) -> bool:
    """Whether these bytes are sealed ones."""
    return told.startswith(MAGIC)
