"""The page on what is not trusted names every case of the abuse suite, and only what there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.cli import test_abuse

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "howto" / "untrusted.md").read_text("utf-8")
NAMED = {
    name
    for row in PAGE.splitlines()
    if row.startswith("| ")
    for name in re.findall(r"`([^`]+)`", row.split(" | ")[-1])
}


def test_every_case_is_on_the_page() -> None:
    cases = {
        *(each.name for each in test_abuse.REQUESTS),
        *test_abuse.ANSWERS,
        *test_abuse.CAPTURES,
        *("traversal-in-id", "link-at-an-output", "capture-is-an-output", "folder-as-output"),
    }
    assert {name for name in NAMED if "::" not in name} == cases


def test_every_test_on_the_page_exists() -> None:
    for name in NAMED:
        if "::" not in name:
            continue
        file, _, function = name.partition("::")
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        assert function in {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        }
