"""What of the captures is asked for races."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shadow.config.racing import races_plan
from shadow.errors import ConfigError
from shadow.replay import races
from shadow.replay.races import pick

FLAGS: dict[str, Any] = {
    "captures": ("c.jsonl",),
    "config": None,
    "baseline": "http://127.0.0.1:1",
    "candidate": "http://127.0.0.1:2",
    "levels": "16",
    "rounds": 2,
    "seed": 7,
    "max_time": 1.0,
    "timeout": 1.0,
    "allow_writes": False,
    "allow_commands": False,
    "limit": None,
    "endpoint": (),
    "exclude": (),
    "noise_profile": None,
    "as_json": False,
    "quiet": False,
    "no_values": False,
}
REQUESTS = [
    ("u-1", "GET", "/a"),
    ("u-2", "GET", "/b"),
    (None, "GET", "/c"),
    (None, "GET", "/d"),
    ("u-1", "POST", "/a"),
    ("u-1", "GET", "/e"),
]


@pytest.fixture(autouse=True)
def capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [
        {
            "v": 1,
            "id": f"x{number}",
            **({"session": session} if session else {}),
            "request": {"method": method, "target": target, "headers": []},
            "response": {"status": 200, "headers": [], "body": "0123456789"},
        }
        for number, (session, method, target) in enumerate(REQUESTS)
    ]
    Path("c.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines), "utf-8")


def picked(**changes: Any) -> tuple[list[list[str]], dict[str, int]]:
    found = pick(races_plan({**FLAGS, **changes}))
    return [[each.id for each in session] for session in found.sessions], found.skipped


def test_a_session_keeps_its_order_and_one_without_is_alone() -> None:
    assert picked() == ([["x0", "x5"], ["x1"], ["x2"], ["x3"]], {"write": 1})


def test_writes_are_asked_where_they_are_allowed() -> None:
    assert picked(allow_writes=True)[0][0] == ["x0", "x4", "x5"]


def test_endpoints_and_a_limit_choose() -> None:
    assert picked(endpoint=("GET /[ab]",), limit=4) == ([["x0"], ["x1"]], {"filtered": 2})


def test_nothing_to_ask_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no exchange to ask") as raised:
        picked(endpoint=("POST *",))
    assert raised.value.hint == "--allow-writes"


@pytest.mark.parametrize(("name", "most", "asked"), [("MAX_EXCHANGES", 2, 2), ("MAX_BYTES", -1, 0)])
def test_what_is_held_is_bounded(
    monkeypatch: pytest.MonkeyPatch, name: str, most: int, asked: int
) -> None:
    monkeypatch.setattr(races, name, most)
    if not asked:
        with pytest.raises(ConfigError):
            picked()
        return
    sessions, skipped = picked()
    assert sum(map(len, sessions)) == asked
    assert skipped["too-many"] == 3


def test_the_answers_are_not_held() -> None:
    found = pick(races_plan(FLAGS))
    responses = [each.response for session in found.sessions for each in session]
    assert {(each.status, each.body) for each in responses if each} == {(200, b"")}


def test_the_command_names_what_was_given() -> None:
    plan = races_plan({**FLAGS, "allow_writes": True})
    assert plan.again == (
        *("shadow", "races", "c.jsonl", "--go", "http://127.0.0.1:1"),
        *("--rust", "http://127.0.0.1:2", "--allow-writes"),
    )
