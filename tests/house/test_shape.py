"""The shape of the house: files and functions stay small, names say something."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "bucketlog"
MODULES = sorted(SOURCE.rglob("*.py"))
NAMELESS = {"utils", "util", "common", "helpers", "helper", "misc", "manager", "base", "core"}


def _functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_is_small_and_its_functions_too(module: Path) -> None:
    text = module.read_text()
    assert text.count("\n") <= 500, "split it by noun"
    long = [f.name for f in _functions(ast.parse(text)) if f.end_lineno - f.lineno >= 60]
    assert long == []


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_is_named_for_what_it_knows_and_says_so(module: Path) -> None:
    assert module.stem not in NAMELESS
    text = module.read_text()
    if module.name == "__init__.py" and module.parent != SOURCE:
        assert text.strip() == "", "a package's __init__ holds no code"
    else:
        assert (ast.get_docstring(ast.parse(text)) or "").strip()
        assert (ast.get_docstring(ast.parse(text)) or "").count("\n") < 12


def test_the_protocol_needs_the_standard_library_only() -> None:
    """`bucketlog.s3` and `accesslog` can be imported where nothing but defusedxml is installed."""
    allowed = {"bucketlog", "defusedxml", "awscrt"}
    for package in ("s3", "accesslog"):
        for module in (SOURCE / package).glob("*.py"):
            for node in ast.walk(ast.parse(module.read_text())):
                names = (
                    [a.name for a in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
                for name in names:
                    top = name.partition(".")[0]
                    assert top in allowed or _is_standard(top), f"{module}: {name}"


def _is_standard(name: str) -> bool:
    import sys

    return name in sys.stdlib_module_names
