"""`shadow route`, on a store and over an admin port."""

from __future__ import annotations

import asyncio
import getpass
import json
import re
import socket
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from shadow.reports.live.view import Live, LiveGuard, LiveRoute, LiveRoutes
from shadow.results.routes import RouteChange, RouteState
from shadow.results.store import Store
from shadow.rollout.routes import LONGEST_TOKEN
from shadow.sidecar.ports.control import Control
from shadow.sidecar.ports.door import Door
from tests.cli.program import Done, Shadow, exchange, write
from tests.listening import Listening, listening

ITEMS = "GET /v1/items/{id}"
TOKEN = "correct-horse-battery-staple"
BY = ("--by", "ada")


@pytest.fixture
def stored(tmp_path: Path, shadow: Shadow) -> Path:
    """A store that has seen one endpoint."""
    for side in ("go", "rust"):
        write(tmp_path / f"{side}.jsonl", [exchange(n) for n in range(3)])
    assert shadow("diff", "go.jsonl", "rust.jsonl", "--quiet").code == 0
    return tmp_path / ".shadow" / "shadow.sqlite"


def status(shadow: Shadow, *words: str, **environment: str) -> Any:
    done = shadow("route", "status", "--json", *words, **environment)
    assert (done.code, done.err) == (0, "")
    return done.json


def refused(done: Done, code: int, message: str) -> None:
    assert done.code == code
    assert message in done.err
    assert len(done.err.splitlines()) <= 2
    assert TOKEN not in done.out + done.err


def normalised(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "YYYY-MM-DD HH:MM:SS", text)


# On a store


@pytest.mark.usefixtures("stored")
def test_a_canary_from_its_first_share_to_its_end(
    shadow: Shadow, snapshot: SnapshotAssertion
) -> None:
    assert shadow("route", "status").out == "No route has been changed: the flags decide.\n"
    said = []
    for words in (
        ("set", ITEMS, "12.5", "--reason", "first canary"),
        ("set", "*", "1"),
        ("abort", ITEMS, "--reason", "INC-7"),
        ("set", ITEMS, "25"),
        ("abort", "--reason", "INC-8"),
        ("abort", "--reason", "INC-9"),
        ("unset", ITEMS),
        ("reset", "*", "--reason", "mended"),
    ):
        done = shadow("route", *words, *BY)
        assert done.code == 0
        said.append(f"$ shadow route {' '.join(words)}\n{normalised(done.err + done.out)}")
    said.append(f"$ shadow route status\n{normalised(shadow('route', 'status').out)}")
    assert "".join(said) == snapshot


@pytest.mark.usefixtures("stored")
def test_the_status_for_programs(shadow: Shadow) -> None:
    assert status(shadow) == {"v": 1, "routes": [], "guards": [], "changes": []}
    assert shadow("route", "abort", "--reason", "INC-7").code == 0
    assert shadow("route", "set", "*", "5", "--reason", "later", *BY).code == 0
    found = status(shadow)
    (row,) = found["routes"]
    aborted, changed = row.pop("since"), row.pop("at")
    assert row == {
        "route": "*",
        "latched": True,
        "percent": 5.0,
        "weight": 0.0,
        "reason": "INC-7",
        "by": f"operator:{getpass.getuser()}",
        "revision": 2,
    }
    newest, oldest = found["changes"]
    assert (newest["at"], oldest["at"]) == (changed, aborted)
    assert newest["by"] == "operator:ada"


@pytest.mark.usefixtures("stored")
def test_a_change_for_programs(shadow: Shadow) -> None:
    made = shadow("route", "set", "GET /v1/item/{id}", "5", "--json", *BY).json
    assert (made["v"], made["changed"], made["known"], made["near"]) == (1, True, False, ITEMS)
    assert made["state"]["percent"] == 5.0
    first = shadow("route", "abort", "--reason", "a", "--json").json
    again = shadow("route", "abort", "--reason", "b", "--json").json
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["state"] == first["state"]


def test_what_a_guard_did_is_seen(shadow: Shadow, stored: Path) -> None:
    change = RouteChange(
        at=datetime(2026, 11, 26, tzinfo=UTC),
        action="rollback",
        route=ITEMS,
        reason="divergence: 31 of 812",
        by="guard:divergence",
    )
    with Store.open(stored, create=False) as store:
        store.change_route(change)
    (row,) = status(shadow)["routes"]
    assert (row["latched"], row["since"]) == (True, "2026-11-26T00:00:00Z")
    text = shadow("route", "status").out
    assert f"2026-11-26 00:00:00 guard:divergence: rollback {ITEMS}; divergence: 31" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["set", "*", "101"], "101.0 is not in the range 0<=x<=100"),
        (["set", "*", "-1"], "No such option '-1'"),
        (["set", "*", "x"], "'x' is not a valid float"),
        (["set", "*", "nan"], "nan is no finite number"),
        (["set", "*"], "Missing argument 'PERCENT'"),
        (["set", "", "5"], "that cannot be the name of a route"),
        (["set", "a\x1bb", "5"], "that cannot be the name of a route"),
        (["set", "*", "5", "--by", " "], "--by is empty"),
        (["set", "*", "5", "--by", "x" * 101], "the name is longer than 100 characters"),
        (["abort"], "Missing option '--reason'"),
        (["abort", "--reason", " "], "abort needs a reason"),
        (["abort", "--reason", "x" * 2001], "the reason is longer than 2,000 characters"),
        (["reset"], "Missing argument 'ROUTE'"),
        (["reset", "*"], "Missing option '--reason'"),
        (["status", "--token-file", "x"], "--token-file is for --admin"),
        (["open", "*"], "No such command 'open'"),
    ],
)
def test_what_is_wrong_is_refused(shadow: Shadow, words: list[str], message: str) -> None:
    refused(shadow("route", *words), 2, message)


def test_a_store_that_is_not_there(shadow: Shadow, tmp_path: Path) -> None:
    for words in (["status"], ["abort", "--reason", "r"]):
        refused(shadow("route", *words), 2, "store .shadow/shadow.sqlite: does not exist")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("stored")
def test_texts_move_no_cursor_and_tell_no_secret(shadow: Shadow) -> None:
    reason = "x\x1b[31m\u202e token=s3cr3t"
    assert shadow("route", "abort", "--reason", reason, "--by", "a\nb").code == 0
    done = shadow("route", "status")
    text = done.out + json.dumps(status(shadow)["changes"])
    assert "\x1b" not in text
    assert "\u202e" not in done.out
    assert "s3cr3t" not in text
    assert "operator:a\\nb" in done.out


# Over an admin port


class View:
    """A sidecar that goes by a store."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def live(self) -> Live:
        raise AssertionError

    def routes(self) -> LiveRoutes:
        with Store.open(self._path) as store:
            states = store.route_states()
        guard = LiveGuard(
            route="*",
            guard="divergence",
            n=9_000,
            x=12,
            log_e=1.5,
            log_sr=None,
            threshold_e=3.0,
            threshold_sr=9.9,
        )
        return LiveRoutes(
            routes=tuple(LiveRoute.of(each, weight=0.125) for each in states.values()),
            guards=(guard,),
        )

    def endpoints(self) -> Collection[str]:
        return {ITEMS}

    async def changes(self, limit: int) -> Sequence[RouteChange]:
        with Store.open(self._path) as store:
            return store.route_changes(limit)

    async def change(self, change: RouteChange) -> RouteState:
        def made() -> RouteState:
            with Store.open(self._path) as store:
                return store.change_route(change)

        return await asyncio.to_thread(made)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Listening]:
    view = View(tmp_path / "of-the-sidecar.sqlite")
    door = Door(TOKEN, listening="127.0.0.1", tell=lambda _: None)
    with listening(Control(door, view, view.change)) as found:
        yield found


def test_a_sidecar_is_asked_by_its_port(
    shadow: Shadow, port: Listening, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    given = {"SHADOW_ADMIN_TOKEN": f" {TOKEN}\n"}
    admin = ("--admin", f"{port.url}/")
    said = []
    for words in (
        ("set", ITEMS, "12.5", "--reason", "first canary", "--by", "zoë"),
        ("set", "GET /v1/item/{id}", "5", *BY),
        ("abort", "--reason", "INC-7", *BY),
        ("status",),
    ):
        done = shadow("route", *words, *admin, **given)
        assert done.code == 0
        said.append(f"$ shadow route {' '.join(words)}\n{normalised(done.err + done.out)}")
    assert "".join(said) == snapshot
    found = status(shadow, *admin, **given)
    assert [each["by"] for each in found["changes"]] == ["admin:ada", "admin:ada", "admin:zoë"]
    assert found["guards"][0]["log_sr"] is None
    assert not (tmp_path / ".shadow").exists()


def test_the_token_comes_from_a_file_or_the_environment(
    shadow: Shadow, port: Listening, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n", "utf-8")
    (tmp_path / "wrong").write_text(f"{TOKEN}x\n", "utf-8")
    (tmp_path / "long").write_text("x" * (LONGEST_TOKEN + 1), "utf-8")
    (tmp_path / "empty").write_text("\n", "utf-8")
    (tmp_path / "two").write_bytes(b"one two three four \xff")
    admin = ("--admin", port.url)
    found = status(shadow, *admin, "--token-file", "token", SHADOW_ADMIN_TOKEN="x" * 20)
    assert found["routes"] == []
    for file, message in (
        ("wrong", "the token is missing or wrong"),
        ("long", "an admin token has 16 to 1,000 characters"),
        ("empty", "no admin token"),
        ("two", "an admin token is printable ASCII without spaces"),
        ("missing", "token file missing: No such file or directory"),
    ):
        refused(shadow("route", "status", *admin, "--token-file", file), 2, message)
    refused(shadow("route", "status", *admin), 2, "SHADOW_ADMIN_TOKEN: no admin token")
    short = shadow("route", "status", *admin, SHADOW_ADMIN_TOKEN="secret")
    refused(short, 2, "SHADOW_ADMIN_TOKEN: an admin token has 16 to 1,000 characters")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:9465", "--admin is no http:// or https:// URL"),
        ("ftp://localhost", "--admin is no http:// or https:// URL"),
        ("http://", "--admin is no http:// or https:// URL"),
        ("http://[::1", "--admin is no http:// or https:// URL"),
        ("http://localhost:0", "--admin is no http:// or https:// URL"),
        ("http://ann:pw@localhost:1", "--admin holds a user name"),
        ("http://localhost:1/-/live", "--admin holds more than host and port"),
        ("http://localhost:1/?a=b", "--admin holds more than host and port"),
    ],
)
def test_an_address_that_is_none(shadow: Shadow, url: str, message: str) -> None:
    done = shadow("route", "status", "--admin", url, SHADOW_ADMIN_TOKEN=TOKEN)
    refused(done, 2, message)
    assert "pw" not in done.err


def test_nobody_there(shadow: Shadow) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    done = shadow("route", "abort", "--reason", "r", "--admin", url, SHADOW_ADMIN_TOKEN=TOKEN)
    refused(done, 4, f"admin port {url}: ConnectError")


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (200, b"<html>", 4, "what answers there is no admin port"),
        (200, b"[]", 4, "what answers there is no admin port"),
        (200, b"", 4, "what answers there is no admin port"),
        (404, b"<html>not found", 4, "what answers there is no admin port"),
        (302, b'{"error":"moved"}', 2, "moved"),
        (503, b'{"error":"store s: held\\u001b[31m"}', 4, "store s: held [31m"),
        (200, b"x" * 9_000_000, 4, "what answers there is no admin port"),
    ],
)
def test_something_else_answers(
    shadow: Shadow, status: int, body: bytes, code: int, message: str
) -> None:
    async def app(_: Any, __: Any, send: Any) -> None:
        headers = [(b"location", b"http://127.0.0.1:1/")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    with listening(app) as port:
        done = shadow("route", "status", "--admin", port.url, SHADOW_ADMIN_TOKEN=TOKEN)
    refused(done, code, message)


def test_a_port_that_refuses_says_why(shadow: Shadow, port: Listening) -> None:
    url = port.url.replace("127.0.0.1", "localhost.localdomain")
    done = shadow("route", "status", "--admin", url, SHADOW_ADMIN_TOKEN=TOKEN)
    assert done.code in (2, 4)  # where that name leads nowhere, nobody is there
    assert "not asked for by that name" in done.err or "ConnectError" in done.err
