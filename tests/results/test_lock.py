"""A run's lock tells whether any process of it is alive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shadow.errors import ShadowError, UnfinishedError
from shadow.results.database import place_of
from shadow.results.lock import held, is_held, lock_path

HOLDS = """
import sys
from shadow.results.database import place_of
from shadow.results.lock import held
with held(place_of(sys.argv[1]), "run"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_is_held_until_its_last_process_ends_however_it_ends(where: str) -> None:
    store = place_of(where)
    assert not is_held(store, "run")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with held(store, "run"):  # together with it
            assert is_held(store, "run")
        assert is_held(store, "run")
        assert not is_held(store, "another")
        with (
            pytest.raises(ShadowError, match="is going on in another process"),
            held(store, "run", alone=True),
        ):
            pytest.fail("it is held")
        process.kill()
        process.wait()
        while is_held(store, "run"):  # a server has yet to notice
            pass
    with held(store, "run", alone=True):
        assert is_held(store, "run")
        with held(store, "run"):  # a worker of it
            assert is_held(store, "run")
    assert not is_held(store, "run")
    assert not isinstance(store, Path) or not lock_path(store, "run").exists()


def test_a_lock_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(ShadowError, match="cannot make"), held(tmp_path / "no" / "store", "run"):
        pytest.fail("there is no such folder")


def test_a_server_out_of_reach_is_said() -> None:
    store = place_of("postgresql://127.0.0.1:1/x")
    with pytest.raises(UnfinishedError, match="cannot be reached"), held(store, "run"):
        pytest.fail("there is no server")
    with pytest.raises(UnfinishedError, match="cannot be reached"):
        is_held(store, "run")
