"""The package: imports point one way, files stay small."""

import ast
from pathlib import Path

import pytest

import facegen_jax

PACKAGE = Path(facegen_jax.__file__).parent
ROOT = PACKAGE.parent
ORDER = [
    line.split("`")[1].removesuffix(".py")
    for line in (ROOT / "docs/architecture.md").read_text().splitlines()
    if line.startswith("| `")
]


def name_of(path: Path) -> str:
    """Return a module as the table names it, such as `faces/image`."""
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def imported(path: Path) -> set[str]:
    """Return the modules of the package that a file imports."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1]
            folder = folder / (node.module or "").replace(".", "/")
            modules = [folder / alias.name for alias in node.names] if folder.is_dir() else [folder]
            imported |= {name_of(module) for module in modules}
    return imported


def test_table_lists_every_file():
    files = {name_of(path) for path in PACKAGE.rglob("*.py") if path.stem != "__init__"}
    assert files == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_imports_point_one_way(name):
    assert imported(PACKAGE / f"{name}.py") <= set(ORDER[: ORDER.index(name)])


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=name_of)
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    assert text.count("\n") <= 220
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 50, node.name
