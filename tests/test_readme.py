"""The README's tree shows every file."""

from pathlib import Path

ROOT = Path(__file__).parent.parent


def tree() -> dict[str, str]:
    """Path -> phrase, as the README's tree shows them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("src/monogram/\n")[1].split("```")[0]
    shown: dict[str, str] = {}
    folder = ""
    for line in block.splitlines():
        name, _, phrase = line.strip().partition(" ")
        depth = len(line) - len(line.lstrip())
        if depth == 2:
            folder = name if name.endswith("/") else ""
        if depth:
            shown[name if depth == 2 else folder + name] = phrase.strip()
    return shown


def test_every_file_stands_in_the_tree_with_a_phrase() -> None:
    source = ROOT / "src" / "monogram"
    files = {p.relative_to(source).as_posix() for p in source.rglob("*.py") if p.name != "__init__.py"}
    shown = tree()
    assert files - set(shown) == set(), "not in the README's tree"
    assert {name for name in shown if name.endswith(".py")} - files == set(), "in the README's tree, but gone"
    assert all(shown[name] for name in files)
