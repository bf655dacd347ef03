"""API keys, each of one tenant. A person belongs to the tenant whose key speaks of them, and to no other.

The file holds digests alone: a key is shown once, when it is made. Keys are 256 random bits, so a plain
sha256 of one cannot be guessed back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from monogram.errors import InputError, StoreError, unknown
from monogram.files import people_home, write_text
from monogram.preferences import check_user

TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
PREFIX = "mg-"


@dataclass(frozen=True)
class Key:
    """What is kept of a key.

    Attributes:
        id: what it is called, to be revoked by.
        tenant: whose it is.
        digest: sha256 of it.
        created: when, UTC.
    """

    id: str
    tenant: str
    digest: str
    created: str


class Keys:
    """The keys of a store. Read anew when the file has changed, so one that is revoked is dead at once."""

    def __init__(self, home: Path | None = None) -> None:
        self.path = people_home(home) / "keys.json"
        self._read_at: tuple[int, int] | None = None
        self._keys: tuple[Key, ...] = ()

    def all(self) -> tuple[Key, ...]:
        """All keys, oldest first.

        Raises:
            StoreError: the file is damaged.
        """
        try:
            now = self.path.stat()
        except FileNotFoundError:
            self._read_at, self._keys = None, ()
            return ()
        stamp = (now.st_mtime_ns, now.st_ino)
        if stamp != self._read_at:
            try:
                told = json.loads(self.path.read_text(encoding="utf-8"))
                self._keys, self._read_at = tuple(Key(**one) for one in told), stamp
            except (ValueError, TypeError) as error:
                raise StoreError(
                    f"The keys in {self.path} cannot be read. Restore the file, or remove it and make others."
                ) from error
        return self._keys

    @property
    def asked_for(self) -> bool:
        """Whether a request needs a key: from the first one on, even when all are revoked."""
        return self.path.exists()

    def add(self, tenant: str) -> tuple[Key, str]:
        """Make a key of a tenant.

        Returns:
            What is kept, and the key itself, which is kept nowhere.

        Raises:
            InputError: a name that cannot be a tenant's.
        """
        if not TENANT.fullmatch(tenant):
            raise InputError(
                f"{tenant!r} cannot be a tenant: 1 to 40 of a-z, 0-9 and -, beginning with a letter or digit."
            )
        secret = PREFIX + secrets.token_urlsafe(32)
        made = Key(
            secrets.token_hex(4), tenant, _digest(secret), datetime.now(UTC).isoformat(timespec="seconds")
        )
        with self._changing():
            self._write((*self.all(), made))
        return made, secret

    def revoke(self, name: str) -> Key:
        """Let a key be none any more.

        Raises:
            UnknownNameError: there is none of that id.
        """
        with self._changing():
            keys = self.all()
            for one in keys:
                if one.id == name:
                    self._write(tuple(key for key in keys if key is not one))
                    return one
        raise unknown("key", name, [key.id for key in keys])

    def tenant(self, secret: str) -> str | None:
        """Whose key it is; None where it is none."""
        given, found = _digest(secret), None
        for key in self.all():
            if hmac.compare_digest(key.digest, given):
                found = key.tenant
        return found

    def _changing(self) -> FileLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.path.with_suffix(".lock"))

    def _write(self, keys: tuple[Key, ...]) -> None:
        write_text(self.path, json.dumps([asdict(key) for key in keys], indent=1) + "\n")
        self.path.chmod(0o600)


def scoped(tenant: str, user: str) -> str:
    """What a tenant's person is called in the store; without a tenant, as they are.

    Raises:
        InputError: an id that cannot be one, or that is too long with the tenant's name.
    """
    checked = check_user(user)
    return check_user(f"{tenant}/{checked}") if tenant else checked


def bare(tenant: str, name: str) -> str:
    """The id as the tenant knows it."""
    return name.removeprefix(f"{tenant}/") if tenant else name


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()
