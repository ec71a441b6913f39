"""Hostile captures and hostile services, against the whole program: each case has its name.

What one module alone has to hold is tested there; docs/howto/untrusted.md names those tests too.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final, NamedTuple

import pytest
import zstandard

from tests.cli.program import ROOT, Done, Shadow, clean
from tests.cli.sidecars import ANY, Asked, Sidecars, serving

ESC: Final = "\x1b[31m\x1b]0;owned\x07"


class Request(NamedTuple):
    """A recorded request that must not do what it is made for."""

    name: str
    request: dict[str, Any]
    sent: str | None
    """The target that both services get; None where nothing may be sent."""


def get(target: str, *headers: tuple[str, str], method: str = "GET", body: str = "") -> Any:
    return {"method": method, "target": target, "headers": list(headers), "body": body}


REQUESTS: Final = [
    Request("ssrf-absolute-form", get("http://{trap}/a"), "/a"),
    Request("ssrf-https-absolute-form", get("https://{trap}/b"), "/b"),
    Request("ssrf-authority-form", get("{trap}"), None),
    Request("ssrf-connect", get("{trap}", method="CONNECT"), None),
    # The services of these tests take the first slash of two for a mistake.
    Request("ssrf-protocol-relative", get("//{trap}/c"), "/{trap}/c"),
    Request("ssrf-host-header", get("/d", ("Host", "{trap}")), "/d"),
    Request("ssrf-forwarded-headers", get("/e", ("X-Forwarded-Host", "{trap}")), "/e"),
    Request("ssrf-user-in-target", get("http://a:b@{trap}/f"), "/f"),
    Request(
        "smuggling-cl-and-te",
        get(
            "/g",
            ("Content-Length", "3"),
            ("Transfer-Encoding", "chunked"),
            method="GET",
            body="abc",
        ),
        "/g",
    ),
    Request(
        "smuggling-two-lengths", get("/h", ("Content-Length", "0"), ("content-length", "50")), "/h"
    ),
    Request("smuggling-coding-with-space", get("/i", ("Transfer-Encoding ", "chunked")), None),
    Request("crlf-in-target", get("/j\r\nX: y"), None),
    Request("crlf-in-header", get("/k", ("X-A", "1\r\nX-Owned: 1")), None),
    Request("lf-in-header", get("/l", ("X-A", "1\nX-Owned: 1")), None),
    Request("nul-in-header", get("/m", ("X-A", "1\0")), None),
    Request("space-in-method", get("/n", method="GET /x"), None),
    Request("header-name-with-colon", get("/o", ("A: b\r\nC", "d")), None),
    Request("write-by-override-header", get("/p", ("X-HTTP-Method-Override", "DELETE")), None),
    Request("write-by-override-parameter", get("/q?_method=DELETE"), None),
    Request("write-without-leave", get("/r", method="DELETE"), None),
    Request("ansi-in-target", get(f"/s{ESC}"), None),
    Request("ansi-in-header", get("/t", ("X-A", ESC)), "/t"),
    Request("dot-segments", get("/../../u"), "/../../u"),
    Request("redirect", get("/redirect"), "/redirect"),
    Request("cookie-of-another-session", get("/cookie"), "/cookie"),
]


@contextmanager
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """A port that nothing may be sent to, and what was."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.settimeout(1)
                        got.append(connection.recv(1000))

        Thread(target=take, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", got


def checked(done: Done | None = None, *texts: str) -> None:
    """Nothing of what is printed is a traceback, or moves a terminal."""
    for text in (*texts, *((done.out, done.err) if done else ())):
        assert "Traceback" not in text
        for line in text.splitlines():
            assert line.isprintable() or all(c.isprintable() or c == "\t" for c in line), line


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One replay of all requests: what the trap and the services got, and what was printed."""
    folder = tmp_path_factory.mktemp("abuse")
    with listening() as (trap, got):

        def say(asked: Asked) -> tuple[int, bytes]:
            return (302 if asked.path == "/redirect" else 200), b"{}"

        with serving(say) as go, serving(say) as rust:
            lines = [
                {"id": each.name, "session": f"s{number}", "request": each.request}
                for number, each in enumerate(REQUESTS)
            ]
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (folder / "a.jsonl").write_text(text.replace("{trap}", trap))
            (folder / ".netrc").write_text("machine 127.0.0.1 login owned password owned\n")
            proxies = {f"{kind}_proxy": f"http://{trap}" for kind in ("http", "https", "all")}
            environment = clean({"HOME": str(folder), "NETRC": str(folder / ".netrc"), **proxies})
            words = ["replay", "a.jsonl", "--go", go.url, "--rust", rust.url, "--events", "events"]
            done = subprocess.run(
                [sys.executable, "-m", "shadow", *words],
                cwd=folder,
                env={**environment, **{k.upper(): v for k, v in proxies.items()}},
                capture_output=True,
                timeout=60,
                check=False,
            )
            asked = [*go.asked], [*rust.asked]
    return trap, got, asked, Done(done.returncode, done.stdout, done.stderr), folder


@pytest.mark.parametrize("case", REQUESTS, ids=[case.name for case in REQUESTS])
def test_a_hostile_request(case: Request, replayed: Any) -> None:
    trap, _, asked, done, _ = replayed
    wanted = None if case.sent is None else case.sent.replace("{trap}", trap)
    for side in asked:
        paths = [each.path for each in side]
        letter = case.request["target"].replace("{trap}", trap)
        if wanted is None:
            assert letter not in paths, done.err
        else:
            assert wanted in paths


def test_the_trap_gets_nothing_and_no_header_is_made_up(replayed: Any) -> None:
    """Cases: proxies-of-the-environment, netrc, redirect, and all of ssrf."""
    _, got, asked, done, folder = replayed
    assert got == []
    for side in asked:
        assert len(side) == sum(each.sent is not None for each in REQUESTS)
        for each in side:
            names = [name.lower() for name, _ in each.headers]
            assert "x-owned" not in names
            assert "cookie" not in names
            assert not [
                name for name, value in each.headers if "owned" in value and name == "Authorization"
            ]
            assert names.count("content-length") + names.count("transfer-encoding") <= 1
            assert names.count("host") == 1
    checked(done)
    events = (folder / "events").read_text().splitlines()
    assert all(json.loads(line)["event"].startswith("shadow.") for line in events)
    assert "\x1b" not in (folder / "events").read_text()


def hostile(chunks: Callable[[], Iterator[bytes]]) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        for chunk in chunks():
            connection.sendall(chunk)

    return answer


def head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode("latin-1")


def endless(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


BOMB: Final = gzip.compress(gzip.compress(b"\0" * 50_000_000))
ZBOMB: Final = zstandard.compress(b"\0" * 200_000_000)
JSON: Final = "Content-Type: application/json"


def sized(body: bytes, *lines: str) -> Callable[[], Iterator[bytes]]:
    return lambda: iter([head(f"Content-Length: {len(body)}", *lines), body])


ANSWERS: Final[dict[str, Callable[[], Iterator[bytes]]]] = {
    "endless-headers": lambda: (
        each for each in [b"HTTP/1.1 200 OK\r\n", *[b"A: b\r\n" * 1000] * 500]
    ),
    "endless-body": lambda: (each for part in ([head()], endless(b"x" * 65536)) for each in part),
    "endless-chunks": lambda: (
        each
        for part in ([head("Transfer-Encoding: chunked")], endless(b"1\r\nx\r\n" * 5000))
        for each in part
    ),
    "chunk-too-large": lambda: iter([head("Transfer-Encoding: chunked"), b"ffffffffffffffff\r\n"]),
    "two-lengths": lambda: iter([head("Content-Length: 2", "Content-Length: 3"), b"{}"]),
    "length-and-chunks": lambda: iter(
        [head("Content-Length: 2", "Transfer-Encoding: chunked"), b"{}"]
    ),
    "negative-length": lambda: iter([head("Content-Length: -1"), b"{}"]),
    "gzip-in-gzip-bomb": sized(BOMB, "Content-Encoding: gzip, gzip", JSON),
    "zstd-bomb": sized(ZBOMB, "Content-Encoding: zstd", JSON),
    "nested-codings": sized(b"x", "Content-Encoding: " + ", ".join(["gzip"] * 500)),
    "deep-json": sized(b"[" * 500_000 + b"]" * 500_000, JSON),
    "deep-json-object": sized(b'{"a":' * 200_000 + b"1" + b"}" * 200_000, JSON),
    "huge-number": sized(b'{"a":' + b"9" * 1_000_000 + b"}", JSON),
    "huge-exponent": sized(b'{"a":1e999999999}', JSON),
    "many-members": sized(
        b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(60_000)) + b"}", JSON
    ),
    "lone-surrogates": sized(b'{"a":"\\ud800","\\udfff":1}', JSON),
    "not-utf-8": sized(b'{"a":"\xff\xfe"}', JSON),
    "xml-bomb": sized(
        b'<!DOCTYPE a [<!ENTITY x "yyyyyyyyyy">'
        + b"".join(b'<!ENTITY %c "%b">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8))
        + b"]><a>&i;</a>",
        "Content-Type: application/xml",
    ),
    "ansi-in-body": sized(f'{{"a":"{ESC}"}}'.encode(), JSON),
    "ansi-in-header": sized(b"{}", JSON, f"X-A: {ESC}"),
    "workflow-command": sized(b'{"a":"x\\n::error file=a::owned"}', JSON),
    "html-and-markdown": sized(
        b'{"a":"</td><script>alert(1)</script> | `x` [a](javascript:b)"}', JSON
    ),
    "status-without-end": lambda: iter([b"HTTP/1.1 200 " + b"O" * 200_000]),
    "no-http": lambda: iter([b"SSH-2.0-OpenSSH_9.6\r\n"]),
    "interim-flood": lambda: iter([b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000]),
    "set-cookie-flood": sized(b"{}", *["Set-Cookie: a=b"] * 5_000),
}


@contextmanager
def raw_service() -> Iterator[str]:
    """Answers `/NAME` by its name; plain HTTP/1.1, a connection each."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.settimeout(20)
                data = b""
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                name = data.split(b" ")[1].decode()[1:]
                hostile(ANSWERS[name])(connection)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

        Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


MEMORY_KB: Final = 700_000


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One replay against a service whose every answer is hostile."""
    folder = tmp_path_factory.mktemp("answers")
    lines = [{"id": name, "request": get(f"/{name}")} for name in ANSWERS]
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with serving() as go, raw_service() as rust:
        words = [
            *("replay", "a.jsonl", "--go", go.url, "--rust", rust, "--timeout", "8"),
            *("--events", "events", "--json"),
            *("--report", "html=r.html", "--report", "markdown=r.md", "--report", "github=r.gh"),
        ]
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "shadow", *words],
                cwd=folder,
                env=clean({"PYTHONPATH": str(ROOT)}),
                stdout=out,
                stderr=err,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    done = Done(process.returncode, (folder / "out").read_bytes(), (folder / "err").read_bytes())
    return done, usage.ru_maxrss, folder


def test_every_hostile_answer_ends_in_one_outcome_within_bounds(answered: Any) -> None:
    done, memory_kb, folder = answered
    assert done.code == 1, done.err
    found = done.json
    assert found["read"] == len(ANSWERS)
    assert sum(
        found[each] for each in ("match", "equivalent", "divergent", "incomparable", "skipped")
    ) == len(ANSWERS)
    assert memory_kb < MEMORY_KB
    checked(None, done.err, (folder / "r.md").read_text())
    for line in (folder / "events").read_text().splitlines():
        json.loads(line)
    assert "\x1b" not in (folder / "events").read_text() + (folder / "r.html").read_text()


@pytest.mark.parametrize("name", ANSWERS)
def test_a_hostile_answer_is_told(name: str, answered: Any) -> None:
    _, _, folder = answered
    events = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    of_it = [each for each in events if each.get("exchange_id") == name]
    assert of_it, name
    assert all(len(json.dumps(each)) < 20_000 for each in of_it)


def test_no_report_says_what_an_answer_wants_it_to(answered: Any) -> None:
    """Cases: workflow-command, html-and-markdown."""
    _, _, folder = answered
    assert "<script>alert(1)" not in (folder / "r.html").read_text()
    for line in (folder / "r.gh").read_text().splitlines():
        assert not line.startswith("::error file=a")
    assert "<script>" not in re.sub(r"`[^`]*`", "", (folder / "r.md").read_text())


SMUGGLED: Final = {
    "proxy-cl-and-te": b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /owned HTTP/1.1\r\nHost: h\r\n\r\n",  # noqa: E501
    "proxy-two-hosts": b"GET /owned HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
    "proxy-two-lengths": b"GET /owned HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n",  # noqa: E501
    "proxy-bare-lf-header": b"GET /owned HTTP/1.1\r\nHost: h\r\nA: b\nX-Owned: 1\r\n\r\n",
    "proxy-obsolete-fold": b"GET /owned HTTP/1.1\r\nHost: h\r\nA: b\r\n X-Owned: 1\r\n\r\n",
    "proxy-nul": b"GET /owned HTTP/1.1\r\nHost: h\r\nA: \0\r\n\r\n",
    "proxy-connect": b"CONNECT owned:1 HTTP/1.1\r\nHost: owned:1\r\n\r\n",
    "proxy-absurd-version": b"GET /owned HTTP/9.9\r\nHost: h\r\n\r\n",
}


def test_hostile_clients_of_the_proxy(tmp_path: Path, start: Sidecars) -> None:
    """Cases: all of proxy-…: the services get none of it, and the next client is served."""
    with serving() as go, serving() as rust:
        words = ["--listen", ANY, "--status", ANY, "--go", go.url, "--rust", rust.url]
        with start.running(tmp_path, "proxy", *words) as proxy:
            for name, message in SMUGGLED.items():
                with socket.create_connection(("127.0.0.1", proxy.live), 10) as client:
                    client.sendall(message)
                    first = client.recv(1000).split(b"\r\n")[0]
                    assert re.match(rb"HTTP/1\.1 (4|5)\d\d", first), name
            assert proxy.ask("/v1/items/1").status == 200
            proxy.until(lambda: len(rust.asked) == 1)
            assert proxy.end() == 0
            checked(None, "\n".join(proxy.told), proxy.out)
        for service in (go, rust):
            assert [each.path for each in service.asked] == ["/v1/items/1"]


LABELS: Final = 3_000


def test_label_flood(tmp_path: Path, start: Sidecars) -> None:
    """As many endpoints as requests: the metrics page stays a page."""
    with serving() as go, serving() as rust:
        words = ["--listen", ANY, "--status", ANY, "--go", go.url, "--rust", rust.url]
        with start.running(tmp_path, "proxy", *words) as proxy:
            for batch in range(LABELS // 50):
                with socket.create_connection(("127.0.0.1", proxy.live), 20) as client:
                    names = [f"{batch}x{number}".translate(LETTERS) for number in range(50)]
                    sent = "".join(f"GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n" for name in names)
                    client.sendall(sent.encode())
                    data = b""
                    while data.count(b"HTTP/1.1 200") < 50:
                        more = client.recv(1 << 16)
                        assert more
                        data += more
            page = proxy.ask("/metrics", port=proxy.port("status and metrics on")).body
            assert len(page) < 400_000
            assert proxy.end() == 0


LETTERS: Final = str.maketrans("0123456789", "abcdefghij")

CAPTURES: Final = {
    "cut-gzip": gzip.compress(b'{"id":"a","request":{"method":"GET","target":"/"}}\n' * 1000)[:-30],
    "gzip-bomb-line": gzip.compress(b'{"id":"' + b"a" * 70_000_000),
    "deep-line": b'{"id":"a","request":' + b"[" * 500_000,
    "no-capture": b"\x7fELF" + b"\0" * 1000,
    "ansi-in-reason": b'{"id":"\\u001b[31m","request":{"method":"GET","target":"/"}}\n',
    "har-without-end": b'{"log":{"entries":[' + b'{"request":' * 100_000,
    "yaml-bomb": b"interactions:\n- &a [x,x,x,x]\n"
    + b"".join(b"- &%c [*%c,*%c,*%c]\n" % (98 + n, 97 + n, 97 + n, 97 + n) for n in range(20)),
    "body-of-another-file": b"POST http://h/a\n@/etc/passwd\n",
    "flow-with-a-lie": b"999999999999:2:ab,",
}


@pytest.mark.parametrize("name", CAPTURES)
def test_a_hostile_capture(name: str, shadow: Shadow, tmp_path: Path) -> None:
    path = tmp_path / f"a{ESC}.x"
    path.write_bytes(CAPTURES[name])
    inspected = shadow("inspect", path)
    converted = shadow("convert", path, "--out", tmp_path / "out.jsonl")
    for done in (inspected, converted):
        assert done.code in (0, 2), done.err
        checked(done)
        assert "root:" not in done.out + done.err


@pytest.mark.parametrize(
    "name", ["traversal-in-id", "link-at-an-output", "capture-is-an-output", "folder-as-output"]
)
def test_hostile_outputs(name: str, shadow: Shadow, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    line = {"id": "../../../owned", "request": get("/a"), "response": {"status": 200, "body": "a"}}
    capture = tmp_path / "a.jsonl"
    capture.write_text(json.dumps(line) + "\n")
    outputs = {
        "traversal-in-id": ["--events", "e"],
        "link-at-an-output": ["--report", "html=r.html"],
        "capture-is-an-output": ["--events", "a.jsonl"],
        "folder-as-output": ["--report", f"html={tmp_path}"],
    }
    (tmp_path / "r.html.part").symlink_to(other)
    done = shadow("diff", capture, capture, *outputs[name])
    assert done.code in (0, 2)
    checked(done)
    assert other.read_text() == "mine"
    assert not (tmp_path.parent / "owned").exists()
    assert json.loads(capture.read_text())["id"] == line["id"]
