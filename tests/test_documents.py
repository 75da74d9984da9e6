"""What the documents name exists: every test, every file of the source, every document they link to."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
#: Pages that promise something by naming tests.
PROMISES = ("guarantees.md", "bugs.md")

TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
FILE = re.compile(r"`((?:actors|broker|store|tests|bench|examples)/[\w./-]+)`")
LINK = re.compile(r"\]\(([\w./-]+\.md)(?:#[\w-]+)?\)")


def functions_of(path: Path) -> set[str]:
    """The names of the tests of a module."""
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_is_named_exists(document: Path) -> None:
    missing = [
        (file, name)
        for file, name in TEST.findall(document.read_text())
        if not (ROOT / file).is_file() or (name and name not in functions_of(ROOT / file))
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_and_document_that_is_named_exists(document: Path) -> None:
    text = document.read_text()
    assert [name for name in FILE.findall(text) if not (ROOT / name).exists() and not list(ROOT.glob(name))] == []
    assert [name for name in LINK.findall(text) if not (document.parent / name).is_file()] == []


@pytest.mark.parametrize("page", PROMISES)
def test_every_line_of_a_promise_names_what_checks_it(page: str) -> None:
    rows = [line for line in (ROOT / "docs" / page).read_text().splitlines() if line.startswith("| ")]
    heads = [row for row in rows if row.startswith(("| guarantee |", "| found by |"))]
    assert len(rows) - len(heads) > 15
    unchecked = [row for row in rows if row not in heads and not TEST.search(row) and "the same runs" not in row]
    assert unchecked == []
