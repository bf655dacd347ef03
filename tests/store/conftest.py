"""Where the ledger is: in a file, and in a PostgreSQL server of the tests' own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.server import Server, programs


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    if programs() is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    with Server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Of a ledger that is not there yet."""
    if request.param == "sqlite":
        return tmp_path / "home" / "ledger.sqlite3"
    url: str = request.getfixturevalue("server").database()
    return url
