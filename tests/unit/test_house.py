"""The house's measures: a function fits a screen, a file is read in a sitting.

Signatures and docstrings do not count: the options of a command are a table. `upgrade` and
`downgrade` of a migration are data. What was longer when this was written stands in
`LONGER` with its length: it may only become shorter, and is taken off once it fits.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"
FUNCTION_LINES = 40
FILE_LINES = 400
LONGER = {
    "config/load.py::load": 45,
    "credentials/http_signature.py::http_signer": 42,
    "dialects/anthropic/glance.py::glance": 41,
    "dialects/gemini/wire.py::prepare": 43,
    "dialects/openai/messages.py::read_messages": 41,
    "gateway/situation.py::_prepared": 47,
}


def bodies(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of a file, and how many lines what it does takes."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told = ast.get_docstring(node) is not None and len(node.body) > 1
            first = node.body[1 if told else 0]
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - first.lineno + 1


def too_long() -> dict[str, int]:
    found: dict[str, int] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        if "migrations" in path.parts:
            continue
        for name, lines in bodies(path):
            if lines > FUNCTION_LINES:
                found[f"{path.relative_to(SOURCES / 'federation').as_posix()}::{name}"] = lines
    return found


def test_a_function_fits_a_screen() -> None:
    grown = {name: n for name, n in too_long().items() if n > LONGER.get(name, FUNCTION_LINES)}
    assert not grown, f"over {FUNCTION_LINES} lines of body, or longer than before: {grown}"


def test_what_fits_by_now_is_no_exception_any_more() -> None:
    now = too_long()
    mended = {name: now.get(name, 0) for name, before in LONGER.items() if now.get(name) != before}
    assert not mended, f"shorter than LONGER says: write the new length, or take it off: {mended}"


def test_a_file_is_read_in_a_sitting() -> None:
    lines = {
        path.relative_to(SOURCES).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in SOURCES.rglob("*.py")
    }
    assert len(lines) > 500
    assert not {name: n for name, n in lines.items() if n > FILE_LINES}
