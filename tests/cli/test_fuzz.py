"""`shadow fuzz` before services that are threads of the test."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Done, Exchange, Forks, Shadow, exchange, write
from tests.cli.sidecars import Asked, Service, serving

ISOLATED = """
[safety]
reads = ["POST /v1/quote"]
[targets.baseline]
isolated = true
[targets.candidate]
isolated = true
"""
JSON = [["Content-Type", "application/json"]]


def quote(target: str = "/v1/quote") -> Exchange:
    """A recorded request with a body."""
    body = '{"sku":"SKU-1","quantity":2,"secret":"hunter2hunter2"}'
    found = exchange(1, method="POST", target=target, headers=JSON)
    return {**found, "request": {**found["request"], "body": body}}


def alike(_: Asked) -> tuple[int, bytes]:
    return 200, b'{"a":1}'


def strict(asked: Asked) -> tuple[int, bytes]:
    """Takes no quantity but a small one, which nothing recorded would show."""
    try:
        quantity = json.loads(asked.body or b"{}").get("quantity", 0)
    except (ValueError, AttributeError):
        return alike(asked)
    wrong = isinstance(quantity, int) and quantity > 1_000_000
    return (200, b'{"a":2}') if wrong else alike(asked)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    (tmp_path / "shadow.toml").write_text(ISOLATED)
    return write(tmp_path / "c.jsonl", [quote(), exchange(2), exchange(3)])


def fuzz(shadow: Shadow, go: Service, rust: Service, *words: object) -> Done:
    return shadow("fuzz", *words, "--go", go.url, "--rust", rust.url)


def asked(service: Service) -> list[tuple[str, str, bytes]]:
    return [(each.method, each.path, each.body) for each in service.asked]


def test_one_seed_is_one_order_of_requests(shadow: Shadow, capture: Path) -> None:
    orders = []
    for number, seed in enumerate((3, 3, 4)):
        with serving(alike) as go, serving(alike) as rust:
            words = ("--max-requests", 60, "--concurrency", 1, "--out", f"{number}.jsonl")
            done = fuzz(shadow, go, rust, capture, "--seed", seed, *words)
            assert done.code == 0, done.err
            orders.append(asked(go))
            assert asked(rust) == asked(go)
    assert len(orders[0]) == 60
    assert orders[0] == orders[1] != orders[2]
    assert orders[0][:2] == orders[2][:2]  # the seeds as they are


def test_what_is_new_is_written_and_shown_again(
    shadow: Shadow, capture: Path, tmp_path: Path
) -> None:
    with serving(alike) as go, serving(strict) as rust:
        done = fuzz(shadow, go, rust, capture, "--max-requests", 300, "--json")
        assert done.code == 1, done.err
        (new,) = done.json["new"]
        again = shadow("replay", "fuzz.jsonl", "--go", go.url, "--rust", rust.url, "--json")
    assert (new["where"], new["path_pattern"], new["class"]) == ("body", "$['a']", None)
    assert "number" in new["mutations"]
    assert (new["baseline"], new["candidate"]) == ("1", "2")
    assert new["signature"] in {each["signature"] for each in again.json["findings"]}
    assert new["signature"] in done.err
    written = json.loads((tmp_path / "fuzz.jsonl").read_text())
    assert written["id"] == new["id"] == f"fuzz-{new['signature']}"
    assert written["response"]["body"] == '{"a":1}'
    assert (tmp_path / "fuzz.jsonl").stat().st_mode & 0o777 == 0o600
    assert "hunter2" not in (tmp_path / "fuzz.jsonl.state").read_text() + done.out + done.err


def test_what_a_seed_shows_as_it_is_is_not_new(shadow: Shadow, capture: Path) -> None:
    with serving(alike) as go, serving(lambda _: (200, b'{"a":2}')) as rust:
        done = fuzz(shadow, go, rust, capture, "--max-requests", 60, "--json")
    assert (done.json["known"], done.json["seeds"]) == (2, 2)
    # Paths that no seed has are new once for each method.
    assert {each["endpoint"] for each in done.json["new"]} & {"POST /v1/quote"} == set()
    assert len(done.json["new"]) <= 2


def test_what_comes_and_goes_is_flaky(shadow: Shadow, capture: Path, tmp_path: Path) -> None:
    seen = set()

    def once(asked: Asked) -> tuple[int, bytes]:
        known = (asked.path, asked.body, tuple(asked.headers)) in seen
        seen.add((asked.path, asked.body, tuple(asked.headers)))
        return alike(asked) if known or len(seen) < 3 else (200, b'{"a":2}')

    with serving(alike) as go, serving(once) as rust:
        done = fuzz(shadow, go, rust, capture, "--max-requests", 30, "--concurrency", 1, "--json")
    assert done.code == 0, done.err
    assert done.json["new"] == []
    assert {each["path_pattern"] for each in done.json["flaky"]} == {"$['a']"}
    assert "FLAKY" in done.err
    assert not (tmp_path / "fuzz.jsonl").exists()


def test_it_goes_on_where_it_stopped(shadow: Shadow, capture: Path, tmp_path: Path) -> None:
    words = (capture, "--concurrency", 1, "--json")
    with serving(alike) as go, serving(strict) as rust:
        whole = fuzz(shadow, go, rust, *words, "--max-requests", 200, "--out", "whole.jsonl")
        everything = asked(go)
        go.asked.clear()
        first = fuzz(shadow, go, rust, *words, "--max-requests", 40)
        position = first.json["position"]
        rest = fuzz(shadow, go, rust, *words, "--max-requests", 160, "--resume")
        seen = asked(go)
        anew = fuzz(shadow, go, rust, *words)
    assert (first.json["seeds"], rest.json["seeds"]) == (2, 0)
    assert rest.json["position"] > position
    assert seen == everything
    found = [each["signature"] for done in (first, rest) for each in done.json["new"]]
    assert found == [each["signature"] for each in whole.json["new"]]
    assert (tmp_path / "fuzz.jsonl").read_text() == (tmp_path / "whole.jsonl").read_text()
    assert (anew.code, len(found)) == (2, 1)
    assert "--out fuzz.jsonl: is there already" in anew.err


def test_a_state_of_other_seeds_is_refused(shadow: Shadow, capture: Path, tmp_path: Path) -> None:
    with serving(alike) as go, serving(alike) as rust:
        assert fuzz(shadow, go, rust, capture, "--max-requests", 5).code == 0
        write(capture, [quote()])
        done = fuzz(shadow, go, rust, capture, "--resume")
        assert done.code == 2
        assert "fuzz.jsonl.state is of other seeds" in done.err
        for text in ("{", '{"v":1,"seed":0,"seeds":"","position":-1}', "\ud800"):
            (tmp_path / "fuzz.jsonl.state").write_text(text, errors="surrogatepass")
            done = fuzz(shadow, go, rust, capture, "--resume")
            assert (done.code, done.err.count("\n")) == (2, 2)
            assert "is no state of" in done.err


DYING = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if b"null" in body: os._exit(1)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    do_GET = do_POST
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@contextmanager
def dying() -> Iterator[str]:
    """A service that dies of a null."""
    with subprocess.Popen([sys.executable, "-c", DYING], stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        try:
            yield f"http://127.0.0.1:{it.stdout.readline().strip()}"
        finally:
            it.kill()


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_service_that_dies_ends_it_and_the_request_is_kept(
    shadow: Shadow, capture: Path, tmp_path: Path, concurrency: int
) -> None:
    write(capture, [quote()])
    with serving(lambda _: (200, b"{}")) as go, dying() as rust:
        words = ("--go", go.url, "--rust", rust, "--concurrency", concurrency)
        done = shadow("fuzz", capture, *words, "--json")
    assert done.code == 4, done.err
    assert "DIED  rust takes no connection any more" in done.err
    assert done.json["ended"] == "died"
    kept = [json.loads(line) for line in (tmp_path / "fuzz.jsonl").read_text().splitlines()]
    died = {each["id"]: each["request"] for each in kept if each["id"].startswith("fuzz-died-")}
    assert list(died) == done.json["died"]["ids"]
    assert 1 <= len(died) <= concurrency
    assert any("null" in each.get("body", "") for each in died.values())
    assert all(name in done.err for name in died)


def test_an_interruption_keeps_what_was_found(
    capture: Path, tmp_path: Path, said: Path, forks: Forks
) -> None:
    found = tmp_path / "fuzz.jsonl"
    with serving(alike) as go, serving(strict) as rust:
        words = ("--go", go.url, "--rust", rust.url, "--max-requests", 100_000)
        with forks.running(
            tmp_path, "fuzz", capture, *words, out=None, err=said / "err"
        ) as running:
            rust.say = interrupted(running.send, found, rust.say)
            assert running.code() == 130
    state = json.loads((tmp_path / "fuzz.jsonl.state").read_text())
    assert json.loads(found.read_text())["id"].removeprefix("fuzz-") in state["known"]
    assert "interrupted" in (said / "err").read_text()


def interrupted(send: Any, found: Path, say: Any) -> Any:
    """Answers as before, and interrupts once something is found."""
    sent: list[None] = []

    def answer(asked: Asked) -> tuple[int, bytes]:
        if found.exists() and not sent:
            sent.append(send(signal.SIGINT))
        result: tuple[int, bytes] = say(asked)
        return result

    return answer


def test_an_operation_without_a_request_is_described(shadow: Shadow, tmp_path: Path) -> None:
    (tmp_path / "shadow.toml").write_text(ISOLATED)
    document = {
        "openapi": "3.1.0",
        "paths": {
            "/v1/items": {"get": {"parameters": [{"name": "page", "in": "query", "example": 2}]}},
            "/v1/orders": {"post": {}},
        },
    }
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    with serving(alike) as go, serving(alike) as rust:
        words = ("--openapi", "openapi.json", "--max-requests", 20)
        done = fuzz(shadow, go, rust, *words)
        assert done.code == 0, done.err
    assert go.asked[0].path == "/v1/items?page=2"
    assert {each.method for each in go.asked} == {"GET"}
    assert "left out: 1 write " in done.err


@pytest.mark.usefixtures("capture")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "missing argument"),
        (("--openapi", "none.json"), "none.json: cannot be read"),
        (("c.jsonl", "--out", "a.jsonl.gz"), "it cannot be compressed"),
        (("c.jsonl", "--out", "none/a.jsonl"), "is no directory"),
        (("c.jsonl", "--resume"), "cannot read fuzz.jsonl.state"),
        (("writes.jsonl",), "there is no request to begin with"),
    ],
)
def test_what_is_wrong_is_one_line(
    shadow: Shadow, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    write(tmp_path / "writes.jsonl", [quote("/v1/orders")])
    done = shadow("fuzz", *words, "--go", "http://127.0.0.1:1", "--rust", "http://127.0.0.1:2")
    assert (done.code, done.out) == (2, "")
    assert message in done.err.lower()
    assert done.err.count("\n") <= 2


def test_it_asks_isolated_services_only(shadow: Shadow, capture: Path, tmp_path: Path) -> None:
    (tmp_path / "shadow.toml").write_text("[targets.baseline]\nisolated = true\n")
    with serving(alike) as go, serving(alike) as rust:
        done = fuzz(shadow, go, rust, capture)
    assert done.code == 2
    assert "targets.candidate is not isolated" in done.err
    assert go.asked == []
