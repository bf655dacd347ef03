"""What an engine is given is checked: name, model, module, shape, rank, numbers; the rest it never sees."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import torch

from monogram.delta import Delta, LowRank, load_adapter
from monogram.errors import AdapterFileError, BaseMismatchError
from monogram.people import Personalizer
from monogram.serving.names import NOBODY, name_of, read_name
from monogram.serving.spool import Spool, Takes, private_folder
from monogram.serving.vllm_plugin import shapes
from monogram.store.folder import folder_name, shelf_name
from tests import tiny


@pytest.fixture
def alice(people: Personalizer) -> str:
    people.user("alice").add(attribute="hobby", target="Hiking")
    return name_of("alice", people.store.ledger.version("alice"))


def spool(people: Personalizer, root: Path, **more: Any) -> Spool:
    takes = Takes(shapes(people.model.model.config, None, {}), 64)
    root.mkdir(exist_ok=True)
    return Spool(
        people.store.adapters, **{"base_digest": people.model.digest, "takes": takes, "root": root} | more
    )


def made_by_hand(people: Personalizer, delta: Delta, base_digest: str = "") -> str:
    """An adapter in the store that no compiler made, with all its digests right."""
    digest = base_digest or people.model.digest
    people.store.adapters.save("mallory", delta, base_name="x", base_digest=digest)
    return f"monogram-{shelf_name('mallory')}-{folder_name(digest, delta)}-{'0' * 8}"


def test_it_gives_out_the_adapter_whole(people: Personalizer, alice: str, tmp_path: Path) -> None:
    folder = spool(people, tmp_path / "spool").put(alice)
    assert folder is not None
    assert load_adapter(folder) == people.user("alice").delta()
    assert spool(people, tmp_path / "spool").put(alice) == folder


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "alice",
        "",
        "monogram-",
        "monogram-../x",
        f"monogram-{'a' * 32}-{'b' * 16}-{'c' * 8}/../..",
        f"monogram-{'a' * 32}-{'b' * 16}-{'c' * 8}\n",
        f"monogram-{'A' * 32}-{'b' * 16}-{'c' * 8}",
    ],
)
def test_a_name_that_is_none_is_no_path(people: Personalizer, alice: str, tmp_path: Path, name: str) -> None:
    assert read_name(name) is None
    assert spool(people, tmp_path / "spool").put(name) is None
    assert not list((tmp_path / "spool").iterdir())


def test_an_adapter_that_is_not_there_is_none(people: Personalizer, alice: str, tmp_path: Path) -> None:
    shelf = shelf_name("alice")
    assert spool(people, tmp_path / "spool").put(f"monogram-{shelf}-{'b' * 16}-{'c' * 8}") is None


def test_one_of_another_model_is_refused(people: Personalizer, alice: str, tmp_path: Path) -> None:
    with pytest.raises(BaseMismatchError):
        spool(people, tmp_path / "spool", base_digest="0" * 64).put(alice)


def test_one_that_is_cut_off_or_changed_is_refused(people: Personalizer, alice: str, tmp_path: Path) -> None:
    version = people.store.ledger.version("alice")
    assert version is not None
    weights = Path(people.store.adapters.where("alice", version.folder)) / "adapter_model.safetensors"
    whole = weights.read_bytes()
    for broken in (whole[:-9], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        weights.write_bytes(broken)
        with pytest.raises(AdapterFileError):
            spool(people, tmp_path / "spool").put(alice)


def test_one_that_was_put_in_anothers_place_is_refused(
    people: Personalizer, alice: str, tmp_path: Path
) -> None:
    people.user("bob").add(attribute="hobby", target="Chess")
    mine, theirs = (people.store.ledger.version(user) for user in ("alice", "bob"))
    assert mine is not None
    assert theirs is not None
    here = Path(people.store.adapters.where("alice", mine.folder))
    there = Path(people.store.adapters.where("bob", theirs.folder))
    for file in there.iterdir():
        (here / file.name).write_bytes(file.read_bytes())
    with pytest.raises(BaseMismatchError):
        spool(people, tmp_path / "spool").put(alice)


def wrong(people: Personalizer) -> dict[str, Delta]:
    down = people.model.names(1)["down"]
    outputs, inputs = people.model.width, people.model.inner

    def one(rank: int = 1, out: int = outputs, value: float = 1.0, name: str = down) -> Delta:
        return Delta({name: LowRank(torch.full((out, rank), value), torch.ones(rank, inputs))})

    return {
        "rank is 10000": one(rank=10_000),
        "the model's is": one(out=outputs + 1),
        "not finite": one(value=float("nan")),
        "no place": one(name="model.layers.1.self_attn.no_proj"),
    }


@pytest.mark.parametrize("what", ["rank is 10000", "the model's is", "not finite", "no place"])
def test_what_an_engine_does_not_take_is_refused(people: Personalizer, tmp_path: Path, what: str) -> None:
    name = made_by_hand(people, wrong(people)[what])
    with pytest.raises(AdapterFileError, match=what):
        spool(people, tmp_path / "spool").put(name)
    assert not list((tmp_path / "spool").iterdir())


def test_what_was_given_out_stays_until_it_is_overwritten_with_nothing(
    people: Personalizer, alice: str, tmp_path: Path
) -> None:
    held = spool(people, tmp_path / "spool")
    held.put(alice)
    people.user("alice").erase_all()
    folder = held.put(alice)
    assert folder is not None  # an engine that has let go of it may read it again
    assert held.others(shelf_name("alice"), "") == [alice]
    assert held.forget(alice) == folder == held.put(alice)
    assert load_adapter(folder).norm() == 0
    assert not held.held


def test_who_asks_for_one_that_is_being_written_gets_it_whole(
    people: Personalizer, alice: str, tmp_path: Path
) -> None:
    whole = people.user("alice").delta()
    for number in range(5):
        made, gate = spool(people, tmp_path / str(number)), Barrier(8)

        def ask(made: Spool = made, gate: Barrier = gate) -> Delta:
            gate.wait()
            folder = made.put(alice)
            assert folder is not None
            return load_adapter(folder)

        with ThreadPoolExecutor(8) as pool:
            said = [pool.submit(ask) for _ in range(8)]
            assert all(one.result() == whole for one in said)
        assert [*made.held.values()] == [[alice]]


def test_nobody_is_an_adapter_that_changes_nothing(people: Personalizer, tmp_path: Path) -> None:
    folder = spool(people, tmp_path / "spool").put(NOBODY)
    assert folder is not None
    nothing = load_adapter(folder)
    assert nothing.rank == 1  # engines know no other way to say it
    assert nothing.norm() == 0


def test_modules_that_vllm_has_no_place_for_are_known() -> None:
    config = tiny.model("llama").config
    packed = {"gate_up_proj": ["gate_proj", "up_proj"]}
    path = "model.layers.1.mlp"
    every = shapes(config, None, packed)
    assert every[f"{path}.down_proj"] == (tiny.WIDTH, tiny.INNER)
    assert f"{path}.gate_proj" not in shapes(config, [f"{path}.gate_proj"], packed)  # vLLM passes it over
    full = shapes(config, [f"{path}.gate_up_proj", f"{path}.down_proj"], packed)
    assert set(full) == {f"{path}.{last}_proj" for last in ("gate", "up", "down")}
    assert set(shapes(config, ["gate_proj"], packed)) == {
        name for name in every if name.endswith(("gate_proj", "up_proj"))
    }


def test_a_private_folder_goes_with_its_process_and_a_dead_ones_with_the_next(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from monogram.serving.spool import private_folder;"
        "made = private_folder(Path(sys.argv[1])); (made / 'x').touch(); print(made, flush=True);"
        "sys.stdin.readline() == 'die\\n' and os.kill(os.getpid(), signal.SIGKILL)"
    )

    def begun() -> tuple[subprocess.Popen[str], Path]:
        run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=-1, stdout=-1, text=True)
        assert run.stdout is not None
        return run, Path(run.stdout.readline().strip())

    (one, killed), (two, ended) = begun(), begun()
    assert killed.exists()
    assert ended.stat().st_mode & 0o077 == 0
    one.communicate("die\n")
    two.communicate("end\n")
    assert killed.exists()
    assert not ended.exists()
    assert private_folder(tmp_path).exists()
    assert not killed.exists()
    assert os.listdir(tmp_path) != []


def test_every_version_has_a_name_of_its_own(people: Personalizer, alice: str) -> None:
    person = people.user("alice")
    person.forget("hobby")
    assert name_of("alice", people.store.ledger.version("alice")) == NOBODY
    person.add(attribute="hobby", target="Hiking")
    again = name_of("alice", people.store.ledger.version("alice"))
    assert again != alice
    assert read_name(again) == read_name(alice)  # the same adapter
    assert name_of("nobody", None) == NOBODY
