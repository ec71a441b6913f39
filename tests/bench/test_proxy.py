"""The benchmark of `shadow proxy`: what it measures with, and all of it at a tiny size."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import broken, constant, measure, processes, proxied, proxy, traffic, upstream
from bench.constant import Taken
from bench.figures import Figure

BODY = b'{"items": []}'
BUILD = Path(__file__).parents[2] / "services" / "build.sh"
needs_nginx = pytest.mark.skipif(
    bool(upstream.missing()) or not shutil.which("wrk"),
    reason="nginx and wrk are not installed: make packages",
)


@contextlib.contextmanager
def service(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The URL of a service that keeps connections; `answer` writes what it answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body at once

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            answer(self)

        do_POST = do_GET  # noqa: N815 - named as http.server has it

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def reply(to: BaseHTTPRequestHandler, status: int = 200) -> None:
    to.send_response(status)
    to.send_header("Content-Length", str(len(BODY)))
    to.end_headers()
    to.wfile.write(BODY)


def ask(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(url.partition("://")[2], timeout=10)
    with contextlib.closing(connection):
        connection.request(method, processes.PATH, body)
        answer = connection.getresponse()
        return answer.status, answer.read()


def whole(figures: list[Figure], rounds: int) -> bool:
    samples = [each.shadow for each in figures] + [each.other for each in figures]
    return all(len(each) == rounds for each in samples)


# The constant rate


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 50.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0), (0.0, 1.0)]
)
def test_a_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert constant.percentile([float(each) for each in range(1, 101)], share) == value


def test_a_service_that_stops_is_charged_with_all_who_would_have_asked() -> None:
    """200 a second for one second, and a stop of 0.3 s: 60 requests wait, 0.15 s on average."""
    lock, begun = threading.Lock(), time.monotonic()

    def stopping(to: BaseHTTPRequestHandler) -> None:
        with lock:
            gone = time.monotonic() - begun
            if 0.3 <= gone < 0.6:
                time.sleep(0.6 - gone)
        reply(to)

    with service(stopping) as url:
        begun = time.monotonic()
        took = constant.Schedule(url + "/", 200, 200).run()
    assert len(took) == 200
    assert min(took) > 0
    assert sum(each > 0.02 for each in took) >= 45
    assert max(took) > 0.25


def test_a_rate_is_asked_for_in_a_process_of_its_own() -> None:
    with service(reply) as url:
        taken = constant.at_rate(url + "/", 100, 0.3, warm_up_s=0.1, cores=frozenset())
    assert 0 < taken.p50_s <= taken.p99_s < 5


@pytest.mark.parametrize("status", [500, 204])
def test_an_answer_that_is_not_as_wanted_is_no_measurement(status: int) -> None:
    with (
        service(lambda to: reply(to, status)) as url,
        pytest.raises(measure.FailedError, match=f"HTTP/1.1 {status}"),
    ):
        constant.at_rate(url + "/", 100, 0.1, warm_up_s=0, cores=frozenset())


# What stands between


@needs_nginx
def test_every_proxy_hands_on_what_the_service_says() -> None:
    with upstream.running(*traffic.bodies()) as server:
        go = server.baseline
        wanted = ask(go)
        contenders: list[proxy.Starts] = [
            partial(proxied.nginx_proxy, go),
            partial(proxied.uvicorn, go),
            partial(proxied.shadow, go, server.candidate),
            partial(proxied.nginx_mirror, go, server.candidate),
            partial(proxied.nginx_mirror, go, ""),
        ]
        for starts in contenders:
            with starts() as between:
                before = server.handled()
                assert ask(between.url) == wanted
                assert ask(between.url, "POST", b"x" * 5_000) == wanted
                assert server.handled() - before >= 1 + 2  # the question itself is one
                assert between.memory_mb() > 0


def test_the_bare_proxy_sends_bodies() -> None:
    got: list[tuple[str, str, str | None]] = []

    def note(to: BaseHTTPRequestHandler) -> None:
        got.append((to.command, to.path, to.headers["Content-Length"]))
        reply(to)

    with service(note) as url, proxied.uvicorn(url) as between:
        got.clear()
        assert ask(between.url, "POST", b"12345") == (200, BODY)
        assert got == [("POST", processes.PATH, "5")]


def test_a_proxy_without_a_service_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "START_TIMEOUT_S", 2.0)
    with (
        broken.absent() as url,
        pytest.raises(measure.FailedError, match=r"does not answer 200|did not start"),
        proxied.uvicorn(url),
    ):
        raise AssertionError


@needs_nginx
def test_what_is_in_the_place_of_rust_is_as_broken_as_it_says() -> None:
    with broken.failing() as url:
        assert ask(url)[0] == 500
    with broken.dropping() as url, pytest.raises(http.client.RemoteDisconnected):
        ask(url)
    with broken.absent() as url, pytest.raises(ConnectionRefusedError):
        ask(url)
    with broken.hanging() as url:
        host, port = url.partition("://")[2].split(":")
        with socket.create_connection((host, int(port)), timeout=0.2) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(TimeoutError):
                connection.recv(1)


@needs_nginx
def test_a_stuck_sink_accepts_and_answers_nothing() -> None:
    with upstream.running(*traffic.bodies()) as server, proxy.stuck_sink(server) as url:
        host, port = url.partition("://")[2].split(":")
        with socket.create_connection((host, int(port)), timeout=0.2) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises(TimeoutError):
                connection.recv(1)


def test_a_command_that_does_not_start_says_why(tmp_path: Path) -> None:
    def start() -> None:
        command = ["sh", "-c", "echo no such luck >&2; exit 3"]
        with processes.started(command, str(tmp_path)) as process:
            process.wait(10)
            processes.answers(process, 1)

    with pytest.raises(measure.FailedError, match="did not start: no such luck"):
        start()


@pytest.mark.parametrize("name", ["envoy/mirror.yaml", "nginx/mirror.conf"])
def test_the_shipped_files_get_other_ports(name: str) -> None:
    text = proxied.shipped(name, "1111", "http://127.0.0.1:2222", "http://127.0.0.1:3333")
    assert all(port in text for port in ("1111", "2222", "3333"))
    assert not any(str(port) in text for port in (proxied.LISTEN, proxied.SERVICE, proxied.SINK))


# The figures


def test_what_is_added_is_told_round_by_round() -> None:
    ours = (Taken(p50_s=0.1, p99_s=0.5), Taken(p50_s=0.1, p99_s=0.7))
    bare = (Taken(p50_s=0.0, p99_s=0.25), Taken(p50_s=0.0, p99_s=0.125))
    assert proxy.beyond(ours, bare) == (0.25, 0.575)


@pytest.mark.parametrize(
    ("times", "reached"), [((1.0, 1.1), True), ((1.0, 1.12), False), ((1.0, 0.5), True)]
)
def test_unchanged_is_at_most_a_tenth_longer(times: tuple[float, float], reached: bool) -> None:
    healthy, ours = times
    figure = Figure(
        area="proxy",
        what="w",
        unit="s",
        shadow=(ours,),
        against="a",
        other=(healthy,),
        bound=proxy.UNCHANGED,
    )
    assert figure.reached is reached


def test_a_run_that_did_not_compare_is_told() -> None:
    sheds = proxy.Sheds([0.0, 0.009])
    assert sheds.wrong() == ""
    sheds.append(0.5)
    assert sheds.wrong() == "up to 50.0% were not compared"


@pytest.mark.slow
@needs_nginx
@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_the_whole_area_at_a_tiny_size() -> None:
    said: list[str] = []
    subprocess.run([BUILD], check=True)
    with upstream.running(*traffic.bodies()) as server:
        figures = [
            *proxy.throughput(1, 1, server),
            *proxy.added(1, 1, server),
            *proxy.mirrors(1, 1, server, said.append),
            *proxy.memory((500, 1_000), server),
        ]
    figures += proxy.on_demo(1, 1)
    assert said == []
    assert whole(figures, 1)
    assert not any(each.wrong for each in figures)
    assert {each.against for each in figures} >= {proxy.NGINX, proxy.UVICORN, proxy.DIRECT}
    bounded = [each for each in figures if each.bound is not None]
    assert len(bounded) == 1 + 1 + len(proxy.BROKEN) + len(proxy.MIRRORS) + 1
