"""A method is its equation and its configuration: its file is short, and no two share a loop."""

import ast
import inspect
from importlib.metadata import entry_points
from itertools import combinations
from pathlib import Path

import pytest

from monogram.editors.registry import GROUP

LONGEST = 200
SHARED = 6
FILES = {
    point.module: Path(inspect.getsourcefile(point.load()) or "")
    for point in entry_points(group=GROUP)
    if point.module.startswith("monogram.")
}


def runs(path: Path) -> set[tuple[str, ...]]:
    """All runs of six lines of code, without imports, blank lines and what a protocol says (the
    signatures of functions).
    """
    text = path.read_text(encoding="utf-8")
    said = set[int]()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            said |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if isinstance(node, ast.FunctionDef):
            said |= set(range(node.lineno, node.body[0].lineno))
    lines = [line.strip() for n, line in enumerate(text.splitlines(), 1) if n not in said]
    code = [line for line in lines if line]
    return {tuple(code[i : i + SHARED]) for i in range(len(code) - SHARED + 1)}


@pytest.mark.parametrize("module", FILES)
def test_a_method_is_short(module: str) -> None:
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_no_two_methods_share_a_loop() -> None:
    assert len(FILES) > 9
    for one, other in combinations(FILES.values(), 2):
        assert not runs(one) & runs(other), f"{one.name} and {other.name}"
