from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from threading import Thread
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from shadow import cli, model
from shadow.config.file import parse
from shadow.errors import ConfigError

Event = dict[str, Any]
Run = Callable[..., tuple[int, list[Event]]]
EXAMPLE = (Path(__file__).parents[1] / "docs" / "example.toml").read_text("utf-8")


def schema(name: str) -> Any:
    file = resources.files("shadow") / "schemas" / f"{name}.schema.json"
    return json.loads(file.read_text("utf-8"))


EVENT = jsonschema.Draft202012Validator(schema("event"))
CONFIG = jsonschema.Draft202012Validator(schema("config"))


@pytest.mark.parametrize("name", ["capture", "config", "event"])
def test_the_schemas_are_schemas(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


# Events


def line(number: int, answer: Event | None = None, **request: Any) -> str:
    exchange: Event = {
        "id": f"x{number}",
        "session": "u-1",
        "request": {"method": "GET", "target": f"/v1/items/{number}", **request},
    }
    return json.dumps({**exchange, **(answer or {})}) + "\n"


def ok(body: str, *headers: list[str]) -> Event:
    fields = [["Content-Type", "application/json"], *headers]
    return {"response": {"status": 200, "headers": fields, "body": body}}


RESET = {"error": {"kind": "reset", "detail": "eof"}}
GO = [
    line(1, ok('{"price":1200,"rate":1,"gone":"a"}')),
    line(2, ok("{}", ["Set-Cookie", "sid=a; HttpOnly"], ["X-Trace", "1"])),
    line(3, ok("{}")),
    line(4, ok("[1,2]")),
    line(5, ok("{}")),
    line(6, RESET),
]
RUST = [
    line(1, ok('{"price":1250,"rate":1.0,"new":null}')),
    line(2, ok("{}", ["set-cookie", "sid=a"])),
    line(3, {"response": {"status": 503, "body": "busy"}}),
    line(4, RESET),
    line(6, RESET),
    line(7, ok("{}")),
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line and returns its exit code and the events it wrote."""
    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> tuple[int, list[Event]]:
        options = ("--events", "events.jsonl", "--quiet", "--all-events")
        monkeypatch.setattr(sys, "argv", ["shadow", *words, *options])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        lines = Path("events.jsonl").read_text("utf-8").splitlines()
        return ended.value.code, [json.loads(each) for each in lines]

    return command


@pytest.fixture
def captures(tmp_path: Path) -> tuple[str, str]:
    paths = tmp_path / "go.jsonl", tmp_path / "rust.jsonl"
    for path, lines in zip(paths, (GO, RUST), strict=True):
        path.write_text("".join(lines), "utf-8")
    return str(paths[0]), str(paths[1])


def test_every_event_of_a_diff_is_valid(run: Run, captures: tuple[str, str]) -> None:
    code, events = run("diff", *captures)
    for event in events:
        EVENT.validate(event)
    assert code == 1
    assert {event["event"] for event in events} == {
        "shadow.run.started",
        "shadow.divergence",
        "shadow.exchange.incomparable",
        "shadow.run.finished",
    }
    places = {event["where"] for event in events if event["event"] == "shadow.divergence"}
    assert places == {"status", "header", "body", "transport"}
    assert len({event["run_id"] for event in events}) == 1


def test_the_event_of_a_gate_is_valid(run: Run, captures: tuple[str, str], tmp_path: Path) -> None:
    gate = "[gates.replay]\nmax_divergence_rate = 0.001\nmin_coverage = 0.5\nmax_cpu_ratio = 1\n"
    (tmp_path / "shadow.toml").write_text(gate, "utf-8")
    code, events = run("diff", *captures, "--phase", "replay")
    (event,) = [event for event in events if event["event"] == "shadow.gate.evaluated"]
    EVENT.validate(event)
    assert (code, event["verdict"], event["phase"], event["level"]) == (
        1,
        "fail",
        "replay",
        "warning",
    )
    assert [each["name"] for each in event["criteria"] if each["verdict"] == "inconclusive"] == [
        "incomparable",
        "exchanges",
        "cpu",
    ]
    assert not EVENT.is_valid({**event, "verdict": "maybe"})
    assert not EVENT.is_valid({**event, "criteria": [{"name": "x"}]})


def test_one_divergence_whole(run: Run, captures: tuple[str, str]) -> None:
    _, events = run("diff", *captures)
    event = next(event for event in events if event.get("path") == "$['price']")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event.pop("timestamp"))
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", event.pop("run_id"))
    what = '["GET /v1/items/{id}","body","$[\'price\']","value_changed",null]'
    assert event == {
        "event": "shadow.divergence",
        "v": 1,
        "level": "warning",
        "seq": 0,
        "exchange_id": "x1",
        "session": "u-1",
        "endpoint": "GET /v1/items/{id}",
        "method": "GET",
        "target": "/v1/items/1",
        "where": "body",
        "kind": "value_changed",
        "path": "$['price']",
        "path_pattern": "$['price']",
        "class": None,
        "severity": "breaking",
        "verdict": "divergent",
        "rule": None,
        "wrong_side": None,
        "unstable": False,
        "baseline": "1200",
        "candidate": "1250",
        "signature": hashlib.sha256(what.encode()).hexdigest()[:16],
        "trace_id": None,
    }


@contextmanager
def a_service() -> Iterator[str]:
    """A service on a free port of this machine that answers every GET with an object."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_every_event_of_a_replay_is_valid(run: Run, tmp_path: Path) -> None:
    capture = tmp_path / "capture.jsonl"
    write = line(9, ok("{}"), method="POST")
    capture.write_text("".join([GO[0], GO[2], write, line(10)]), "utf-8")
    with a_service() as url:
        code, events = run("replay", str(capture), "--go", "recorded", "--rust", url)
    for event in events:
        EVENT.validate(event)
    assert code == 1
    reasons = {event["event"]: event["reason"] for event in events if "reason" in event}
    assert reasons == {
        "shadow.exchange.skipped": "write",
        "shadow.exchange.incomparable": "no-response",
    }
    finished = events[-1]
    outcomes = ("match", "equivalent", "divergent", "incomparable", "skipped")
    assert finished["read"] == sum(finished[name] for name in outcomes) == 4
    assert finished["exit_code"] == code


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("where", model.Where),
        ("kind", model.Kind),
        ("severity", model.Severity),
        ("verdict", model.Verdict),
    ],
)
def test_the_schema_has_the_words_of_the_model(field: str, values: Any) -> None:
    properties = schema("event")["$defs"]["divergence"]["properties"]
    assert properties[field]["enum"] == list(get_args(values))


@pytest.mark.parametrize("name", schema("event")["$defs"])
def test_the_examples_of_the_schema_are_valid(name: str) -> None:
    for example in schema("event")["$defs"][name].get("examples", []):
        EVENT.validate(example)


@pytest.mark.parametrize(
    "change",
    [
        {"event": "shadow.unknown"},
        {"v": 2},
        {"timestamp": "2026-11-22T13:44:18Z"},
        {"where": "nowhere"},
        {"signature": "810D2CC4DA206E85"},
        {"baseline": 1},
        {"exchange_id": None},
    ],
)
def test_a_wrong_event_is_refused(change: Event) -> None:
    example = schema("event")["$defs"]["divergence"]["examples"][0]
    assert EVENT.is_valid({**example, "later": True})
    assert not EVENT.is_valid({**example, **change})
    missing = {key: value for key, value in example.items() if key not in change}
    assert not EVENT.is_valid(missing)


# Config


def as_json(data: Any) -> Any:
    """TOML's values as JSON has them: a date is its text."""

    def dated(value: object) -> str:
        assert isinstance(value, date)
        return value.isoformat()

    return json.loads(json.dumps(data, default=dated))


def test_a_whole_config_is_valid() -> None:
    data = tomllib.loads(EXAMPLE)
    parse(data, text=EXAMPLE)
    CONFIG.validate(as_json(data))


def tables(shape: Any) -> Iterator[str]:
    """A line of TOML that puts an unknown key into each table of the schema."""
    for name, inner in shape.get("properties", {}).items():
        below = inner.get("items", inner)
        if "$ref" in below:
            heading = f"[[{name}]]" if "items" in inner else f"[{name}]"
            yield f"{heading}\nunknown_key = 1"


@pytest.mark.parametrize(
    "text",
    [
        "unknown_key = 1",
        *tables(schema("config")),
        '[targets]\nthird = { url = "http://127.0.0.1:1" }',
        "[targets.baseline]\nurl = 1",
        "[targets.baseline]\nheaders = { a = 1 }",
        '[safety]\nreads = "POST /v1/quote"',
        '[[compare.lists]]\nkey = "id"',
        '[[compare.tolerances]]\npath = "$.a"\nulp = 1.5',
        '[[compare.classes]]\nid = "html-escape"\npolicy = "ignore"',
        '[[accept]]\nclass = "html-escape"\nreason = "a"\nowner = "b"',
        'source = "elsewhere"',
    ],
)
def test_schema_and_program_refuse_the_same(text: str) -> None:
    data = tomllib.loads(text)
    assert not CONFIG.is_valid(as_json(data))
    with pytest.raises(ConfigError):
        parse(data, text=text)
