"""Whom `repro --minimise` asks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shadow.config import reproducing
from shadow.config.reproducing import minimise_plan

FLAGS: dict[str, Any] = {
    **dict.fromkeys(("baseline", "candidate", "config", "http", "out")),
    "signature": "aa",
    "run": "latest",
    "store": "s",
    "captures": ("a.jsonl",),
    "allow_writes": False,
    "concurrency": 1,
    "timeout": 1.0,
    "max_requests": 10,
    "max_time": 1.0,
}
FILE = "".join(
    f'[targets.{side}]\nurl = "http://127.0.0.1:{port}"\n'
    for side, port in (("baseline", 1), ("candidate", 2))
)


@pytest.mark.parametrize(
    ("of_run", "given", "asked"),
    [
        (("http://127.0.0.1:7", "http://127.0.0.1:8"), None, ("7", "8")),
        (("http://127.0.0.1:7", "http://127.0.0.1:8"), "http://127.0.0.1:9", ("9", "8")),
        (("", "http://127.0.0.1:8"), None, ("1", "8")),
        (("http://[masked:1a2b]", "http://127.0.0.1:8"), None, ("1", "8")),
    ],
)
def test_the_services_of_the_run_are_asked_and_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    of_run: tuple[str, str],
    given: str | None,
    asked: tuple[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shadow.toml").write_text(FILE, "utf-8")
    sides = {"baseline": of_run[0], "candidate": of_run[1]}
    info = SimpleNamespace(**{side: SimpleNamespace(url=url) for side, url in sides.items()})
    monkeypatch.setattr(reproducing, "found_by", lambda _: (None, SimpleNamespace(info=info)))
    plan = minimise_plan({**FLAGS, "baseline": given})
    urls = tuple(f"http://127.0.0.1:{port}" for port in asked)
    assert (plan.asking.baseline.url, plan.asking.candidate.url) == urls
    assert (plan.wanted.baseline, plan.wanted.candidate) == urls
