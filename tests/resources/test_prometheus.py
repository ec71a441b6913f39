from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.resources import prometheus
from shadow.resources.prometheus import Prometheus, read_metrics
from shadow.resources.source import Sample, Unreadable
from shadow.sending import scrape as module

GO = """\
# HELP go_gc_duration_seconds A summary of the wall-time pause in garbage collection cycles.
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0"} 2.1e-05
go_gc_duration_seconds{quantile="1"} 0.000403
go_gc_duration_seconds_sum 0.12
go_gc_duration_seconds_count 512
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.34
process_resident_memory_bytes 2.5165824e+07
process_virtual_memory_bytes 1.2e+09
"""


def refused(_url: str, *, timeout_s: float) -> str:
    raise OSError(f"refused within {timeout_s} s")


@contextmanager
def serving(
    body: bytes, status: int = 200, encoding: str | None = None, asked: list[str] | None = None
) -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                asked.append(self.headers["Accept-Encoding"])
            self.send_response(status)
            if encoding is not None:
                self.send_header("Content-Encoding", encoding)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/metrics"
        finally:
            server.shutdown()
            thread.join()


def test_the_metrics_of_a_go_service() -> None:
    with serving(GO.encode()) as url:
        assert Prometheus(url).sample() == Sample(
            cpu_s=12.34, memory_bytes=25_165_824, gc_longest_s=0.000403
        )


@pytest.mark.parametrize(
    ("text", "sample"),
    [
        ("process_cpu_seconds_total 1 1395066363000", Sample(cpu_s=1.0)),
        ('process_cpu_seconds_total{w="a"} 1\nprocess_cpu_seconds_total{w="b"} 2', Sample(cpu_s=3)),
        ("process_cpu_seconds_total NaN\nprocess_cpu_seconds_total -1", Sample()),
        ("process_cpu_seconds_total_x 4\nprocess_cpu_seconds_total", Sample()),
        ("process_resident_memory_bytes +Inf", Sample()),
        ("process_cpu_seconds_total 1e308", Sample()),
        ("process_cpu_seconds_total 6e11\n" * 2, Sample()),
        ("process_resident_memory_bytes 1e308\n" * 2, Sample()),
        ("process_resident_memory_bytes 1152921504606846976", Sample(memory_bytes=2**60)),
        ("process_resident_memory_bytes 8e17\n" * 2, Sample()),
        ('go_gc_duration_seconds{quantile="1"} 1e308', Sample()),
    ],
)
def test_lines(text: str, sample: Sample) -> None:
    assert read_metrics(text) == sample


@given(st.text(max_size=200), st.sampled_from(["process_cpu_seconds_total", ""]))
def test_no_page_is_too_strange(text: str, start: str) -> None:
    read_metrics(start + text)


def test_what_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(b"", 503) as url, pytest.raises(Unreadable, match="answered 503"):
        Prometheus(url).sample()
    with serving(b"other 1\n") as url, pytest.raises(Unreadable, match="has no process_cpu"):
        Prometheus(url).sample()
    with pytest.raises(Unreadable, match="ConnectError"):
        Prometheus(url).sample()
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    with serving(GO.encode()) as url, pytest.raises(Unreadable, match="of metrics"):
        Prometheus(url).sample()


def test_a_compressed_page_is_not_unpacked() -> None:
    asked: list[str] = []
    page = gzip.compress(GO.encode())
    with (
        serving(page, encoding="gzip", asked=asked) as url,
        pytest.raises(Unreadable, match="compressed"),
    ):
        Prometheus(url).sample()
    assert asked == ["identity"]
    with serving(GO.encode(), encoding="Identity") as url:
        assert Prometheus(url).sample().cpu_s == pytest.approx(12.34)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://me:secret@127.0.0.1:1/metrics?token=secret", "prom:http://127.0.0.1:1/metrics"),
        ("http://127.0.0.1:1/metrics#secret", "prom:http://127.0.0.1:1/metrics"),
        ("http://me:secret@[::1]:1/metrics", "prom:http://[::1]:1/metrics"),
        ("http://me:se/secret@127.0.0.1:1/metrics", "prom:a URL that is none"),
        ("http://me:12/secret@127.0.0.1:1/metrics", "prom:a URL that is none"),
        ("http://me:1?secret@127.0.0.1:1/metrics", "prom:a URL that is none"),
        ("http://secret:x/metrics", "prom:a URL that is none"),
    ],
)
def test_a_password_is_not_shown(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "scrape", refused)  # some of these are another machine's
    source = Prometheus(url)
    assert source.name == name
    with pytest.raises(Unreadable) as raised:
        source.sample()
    assert "secret" not in str(raised.value)
