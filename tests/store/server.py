"""A PostgreSQL server of the tests' own: in a folder that goes away, on a socket in it, without a port."""

import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from sqlalchemy import create_engine, text

OWNER = "postgres"
"""Whom Debian's package makes. PostgreSQL refuses to run as root."""


def programs() -> Path | None:
    """The folder of initdb and pg_ctl, the newest there is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    named = shutil.which("initdb")
    initdb = found[-1] if found else named and Path(named).resolve()
    return initdb.parent if initdb else None


class Server:
    """A server, for the length of a `with`."""

    def __enter__(self) -> "Server":
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path must be short
        if os.geteuid() == 0:
            shutil.chown(self.folder, OWNER, OWNER)
        self._run("initdb", "-D", str(self.data), "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-o", options, "start")
        return self

    def __exit__(self, *_: object) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, name: str) -> str:
        return f"postgresql://{OWNER}@/{name}?host={self.folder}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"t{uuid.uuid4().hex}"
        self.run(OWNER, f"CREATE DATABASE {name}")
        return self.url(name)

    def run(self, name: str, statement: str) -> None:
        """Run a statement outside any transaction."""
        engine = create_engine(self.url(name).replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def _run(self, program: str, *words: str) -> None:
        folder = programs()
        assert folder is not None
        own = {"user": OWNER, "group": OWNER, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [str(folder / program), *words],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            **own,  # type: ignore[call-overload]
        )
        assert done.returncode == 0, done.stderr
