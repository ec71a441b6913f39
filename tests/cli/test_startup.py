"""`shadow --help` is for people who wait for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shadow.cli import COMMANDS

HEAVY = {
    "asyncio",
    "brotli",
    "deepdiff",
    "httpx",
    "msgspec",
    "numpy",
    "psutil",
    "rich",
    "scipy",
    "sqlalchemy",
    "structlog",
    "uvicorn",
    "uvloop",
    "zstandard",
}


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], *([each, "--help"] for each in COMMANDS)]
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program = (
        "import runpy, sys\n"
        "try:\n"
        "    runpy.run_module('shadow', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as ended:\n"
        "    assert ended.code == 0, ended.code\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
    )
    assert HEAVY & set(done.stderr.split()) == set()
    assert done.stdout
