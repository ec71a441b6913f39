"""`shadow diff`, and what all runs share: exit codes, events, looking back at a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.cli.program import (
    CAPTURE,
    CONFIG,
    RUST_CAPTURE,
    Shadow,
    add_up,
    events,
    exchange,
    runs,
    write,
)

DIFF = ["diff", "go.jsonl", "rust.jsonl", "--quiet"]
WHOLE = ["diff", CAPTURE, RUST_CAPTURE, "--config", CONFIG, "--quiet"]

pytestmark = pytest.mark.usefixtures("pair")


def rust_says(folder: Path, *bodies: str) -> None:
    write(folder / "rust.jsonl", [exchange(number, body) for number, body in enumerate(bodies, 1)])


def test_every_exchange_of_both_captures_ends_in_one_outcome(shadow: Shadow) -> None:
    done = shadow(*WHOLE, "--json")
    assert (done.code, done.err) == (1, "")
    assert done.json["read"] == 2000
    assert add_up(done.json)
    assert done.json["command"] == "diff"


def test_exit_codes(shadow: Shadow, tmp_path: Path) -> None:
    assert shadow("diff", "go.jsonl", "go.jsonl", "--quiet").code == 0
    assert shadow(*DIFF).code == 1
    assert shadow(*DIFF, "--fail-on", "never").code == 0
    rust_says(tmp_path, "{}")
    assert shadow(*DIFF, "--exclude", "*").code == 3
    assert shadow(*DIFF, "--exclude", "*", "--on-inconclusive", "pass").code == 0
    assert shadow(*DIFF, "--fail-on", "never").code == 3
    assert [run["exit_code"] for run in runs(shadow)] == [3, 0, 3, 0, 1, 0]


def test_only_what_is_new_fails(shadow: Shadow, tmp_path: Path) -> None:
    new = [*DIFF, "--fail-on", "new"]
    assert shadow(*new).code == 1  # there is no earlier run: all of it is new
    first = runs(shadow)[0]["id"]
    assert shadow(*new).code == 0
    rust_says(tmp_path, '{"price":1260}', '{"tags":[]}', '{"name":"crème","also":1}')
    assert shadow(*new).code == 1  # also $['also']
    assert shadow(*new).code == 0
    assert shadow(*new, "--since", first).code == 1
    rust_says(tmp_path, '{"price":1200}', '{"tags":[]}', '{"name":"crème"}')
    assert shadow(*new, "--since", first).code == 0


def test_what_failed_or_was_of_another_capture_is_nothing_to_look_back_at(
    shadow: Shadow, tmp_path: Path
) -> None:
    assert shadow(*DIFF).code == 1
    write(tmp_path / "go.jsonl", [exchange(1, '{"price":1200}')])
    rust_says(tmp_path, '{"price":1250}')
    with (tmp_path / "rust.jsonl").open("a") as capture:
        capture.write("{\n")
    assert shadow(*DIFF, "--strict").code == 2
    assert shadow(*DIFF, "--fail-on", "new").code == 1
    assert shadow(*DIFF, "--fail-on", "new").code == 0


@pytest.mark.parametrize("place", ["deep/er/events.jsonl", "-", None])
def test_where_events_go(shadow: Shadow, tmp_path: Path, place: str | None) -> None:
    done = shadow(*DIFF, *(["--events", place] if place else []))
    assert done.code == 1
    if place == "-":
        logged = [json.loads(line) for line in done.out.splitlines()]
    elif place is None:
        logged = events(tmp_path)
    else:
        path = tmp_path / place
        assert path.stat().st_mode & 0o777 == 0o600
        logged = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    (run,) = runs(shadow)
    for event in logged:
        assert {"v", "timestamp", "level", "run_id", "event"} <= event.keys()
        assert (event["v"], event["run_id"]) == (1, run["id"])
    assert [event["event"].removeprefix("shadow.") for event in logged] == [
        "run.started",
        "divergence",
        "divergence",
        "run.finished",
    ]
    assert run["events"] == (place or f".shadow/{run['id']}.events.jsonl")


def test_all_events_are_also_those_of_header_spellings(shadow: Shadow, tmp_path: Path) -> None:
    whole = [*WHOLE[:3], "--config", CONFIG, "--limit", "50", "--quiet", "--events"]

    def classes(name: str, *words: str) -> set[str | None]:
        shadow(*whole, name, *words)
        lines = (tmp_path / name).read_text("utf-8").splitlines()
        return {json.loads(line).get("class") for line in lines}

    assert "header-name-case" not in classes("few.jsonl")
    assert {"header-name-case", "date-volatile"} <= classes("all.jsonl", "--all-events")


def test_every_format_of_a_report_more_than_once(shadow: Shadow, tmp_path: Path) -> None:
    names = ["json=a.json", "json=b.json", "terminal=a.txt"]
    done = shadow(*DIFF[:3], "--json", *(word for name in names for word in ("--report", name)))
    assert json.loads((tmp_path / "a.json").read_bytes()) == done.json
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.txt").read_text("utf-8") == done.err
    assert shadow("report").out == done.err
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("?.*")} == {0o600}
    assert (tmp_path / ".shadow").stat().st_mode & 0o777 == 0o700


def test_flags_win_over_the_environment(shadow: Shadow) -> None:
    assert shadow(*DIFF, SHADOW_DIFF_FAIL_ON="never").code == 0
    assert shadow(*DIFF, "--fail-on", "divergence", SHADOW_DIFF_FAIL_ON="never").code == 1
    assert shadow(*DIFF, SHADOW_DIFF_LIMIT="1", SHADOW_DIFF_AS_JSON="1").json["read"] == 1
    assert shadow(*DIFF, SHADOW_DIFF_LIMIT="none").code == 2


def test_a_finding_is_accepted_until_a_day(shadow: Shadow, tmp_path: Path) -> None:
    config = tmp_path / "shadow.toml"
    config.write_text('# ours\n[targets.baseline]\nname = "old"\nurl = "${LATER}"')
    config.chmod(0o644)
    found = shadow(*DIFF, "--json", LATER="http://127.0.0.1:9").json["findings"]
    price = next(each["signature"] for each in found if each["path_pattern"] == "$['price']")
    words = ["--reason", 'all "right" \\', "--owner", "team-a", "--expires", "2999-01-01"]
    done = shadow("accept", price[:8], *words)
    assert done.code == 0
    assert done.err == f"{config}: accepted {price} until 2999-01-01, owned by team-a\n"
    text = config.read_text("utf-8")
    assert text.startswith(
        '# ours\n[targets.baseline]\nname = "old"\nurl = "${LATER}"\n\n[[accept]]\n'
    )
    assert config.stat().st_mode & 0o777 == 0o644
    after = shadow(*DIFF, "--json", LATER="x")
    verdicts = {each["path_pattern"]: each["verdict"] for each in after.json["findings"]}
    assert verdicts == {"$['price']": "accepted", "$['tags']": "divergent"}
    tags = next(e["signature"] for e in found if e["path_pattern"] == "$['tags']")
    assert shadow("accept", tags, *words).code == 0
    assert shadow(*DIFF, LATER="x").code == 0


def test_accepting_keeps_a_link_to_a_shared_config(shadow: Shadow, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "shadow.toml").write_text("")
    (tmp_path / "shadow.toml").symlink_to("shared/shadow.toml")
    (signature, *_) = (each["signature"] for each in shadow(*DIFF, "--json").json["findings"])
    given = ["--reason", "r", "--owner", "o", "--expires", "2999-01-01"]
    assert shadow("accept", signature, *given).code == 0
    assert (tmp_path / "shadow.toml").is_symlink()
    assert signature in (shared / "shadow.toml").read_text("utf-8")


def har(*entries: Any) -> str:
    return json.dumps({"log": {"version": "1.2", "entries": entries}})


def entry(number: int, *, websocket: bool = False) -> dict[str, Any]:
    return {
        "startedDateTime": f"2026-08-03T10:00:0{number}Z",
        "time": 1,
        **({"_resourceType": "websocket"} if websocket else {}),
        "request": {
            "method": "GET",
            "url": f"{'ws' if websocket else 'http'}://shop.example/v1/items/{number}",
            "httpVersion": "HTTP/1.1",
            "headers": [],
        },
        "response": {
            "status": 101 if websocket else 200,
            "headers": [],
            "content": {"size": 2, "mimeType": "application/json", "text": "{}"},
        },
    }


def test_what_cannot_be_replayed_is_counted_once(shadow: Shadow, tmp_path: Path) -> None:
    (tmp_path / "go.har").write_text(har(entry(1), entry(2, websocket=True)))
    for other, skipped in (
        (har(entry(1), entry(2, websocket=True)), 1),
        (har(entry(1), entry(2)), 1),
    ):
        (tmp_path / "rust.har").write_text(other)
        summary = shadow("diff", "go.har", "rust.har", "--quiet", "--json").json
        assert (summary["read"], summary["skipped"]) == (2, skipped)
        assert add_up(summary)


def test_captures_through_pipes(tmp_path: Path, fresh: Shadow) -> None:
    def feed(name: str) -> None:
        (tmp_path / f"{name}.pipe").write_bytes((tmp_path / f"{name}.jsonl").read_bytes())

    feeders = [Thread(target=feed, args=[name]) for name in ("go", "rust")]
    for name in ("go", "rust"):
        os.mkfifo(tmp_path / f"{name}.pipe")
    for feeder in feeders:
        feeder.start()
    done = fresh("diff", "go.pipe", "rust.pipe", "--quiet", "--json")
    for feeder in feeders:
        feeder.join()
    assert (done.code, done.json["read"]) == (1, 3)
