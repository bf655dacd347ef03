"""Several processes write about the same people at once: every acknowledged change is there, once."""

import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

from monogram.store.ledger import Ledger

PROCESSES, THREADS, CHANGES = 2, 4, 5
WRITER = """
import sys, threading
from monogram.errors import ChangedMeanwhileError
from monogram.preferences import Preference
from monogram.store.ledger import Draft, Ledger

DRAFT = Draft("tiny", "b" * 64)
place, name, threads, changes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def work(thread):
    ledger = Ledger(place)
    for number in range(changes):
        added = Preference(f"thing {name} {thread} {number}", "x")
        for user in ("alice", "bob"):
            while True:
                try:
                    version = ledger.commit(user, [("added", added)], DRAFT, after=ledger.head(user))
                    break
                except ChangedMeanwhileError:
                    continue
            sys.stdout.write(f"{user} {version.number} {added.attribute}\\n")  # a line at once

every = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
[thread.start() for thread in every]
[thread.join() for thread in every]
"""


def test_no_update_is_lost_and_no_version_is_given_twice(place: Path | str) -> None:
    command = [sys.executable, "-c", WRITER, str(place)]
    runs = [
        subprocess.Popen([*command, str(n), str(THREADS), str(CHANGES)], stdout=PIPE, stderr=PIPE, text=True)
        for n in range(PROCESSES)
    ]
    told = [run.communicate(timeout=120) for run in runs]
    assert [(run.returncode, error) for run, (_, error) in zip(runs, told, strict=True)] == [
        (0, "")
    ] * PROCESSES
    said = [line for out, _ in told for line in out.splitlines()]
    every = PROCESSES * THREADS * CHANGES
    ledger = Ledger(place)
    for user in ("alice", "bob"):
        mine = [line.split(" ", 2)[1:] for line in said if line.startswith(user)]
        assert sorted(int(number) for number, _ in mine) == list(range(1, every + 1))
        assert [v.number for v in ledger.versions(user)] == list(range(1, every + 1))
        acknowledged = {attribute: int(number) for number, attribute in mine}
        assert {
            e.preference.attribute: e.version for e in ledger.history(user) if e.preference
        } == acknowledged
