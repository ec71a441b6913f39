from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow.captures import FORMATS, Fidelity
from shadow.captures.formats.native import NativeFormat
from shadow.errors import ConfigError
from shadow.replay.sources import losses, refuse_unfit

LINE = b'{"id":"a","request":{"method":"GET","target":"/"}}\n'
POOR = Fidelity(response_body=False, request_body=False, headers=False, timing=False)


@pytest.fixture
def poor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A capture whose format loses much."""
    native = next(each for each in FORMATS if isinstance(each, NativeFormat))
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINE)
    with monkeypatch.context() as patched:
        patched.setattr(type(native), "fidelity", POOR)
        yield str(path)


def test_what_a_replay_needs_and_a_source_lacks_is_said_before_it_starts(poor: str) -> None:
    with pytest.raises(ConfigError, match="only the status of recorded answers, and --go recorded"):
        refuse_unfit([poor], answers="--go recorded")
    with pytest.raises(ConfigError, match="keeps no times, and --speed"):
        refuse_unfit([poor], times="--speed")
    refuse_unfit([poor])
    (line,) = losses([poor])
    assert "no headers" in line
    assert "no request bodies" in line


def test_a_format_that_keeps_all_is_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINE)
    refuse_unfit([str(path), "-"], answers="--go recorded", times="--speed")
    assert losses([str(path), "-"]) == []
