from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion

from shadow.captures.formats.native import encode_line
from shadow.endpoints import Endpoints
from shadow.errors import CaptureError
from shadow.model import Exchange, Request, Response
from shadow.reports.inspection import read, render, size_text
from shadow.sending.safety import Safety

ROOT = Path(__file__).parents[2]
CAPTURE = ROOT / "replay_data" / "catalogue.jsonl.gz"
HARS = sorted((ROOT / "tests" / "captures" / "data").glob("*.har"))
READS = ("POST /v1/quote", "POST /v1/route", "POST /v1/login")


@pytest.mark.parametrize("width", [80, 120])
def test_the_committed_capture(
    width: int, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    found = read(["replay_data/catalogue.jsonl.gz"], Endpoints(), Safety(READS))
    assert found.exchanges == sum(each.exchanges for each in found.endpoints) == 2000
    assert sum(each.time_us for each in found.endpoints) == found.time_us
    text = render(found, width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text == snapshot


@pytest.mark.parametrize("har", HARS, ids=[path.name for path in HARS])
def test_recordings_of_browsers(
    har: Path, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(har.parent)
    found = read([har.name], Endpoints(), Safety())
    assert not found.sources[0].fidelity.header_order
    assert render(found) == snapshot


def test_a_recording_of_goreplay(tmp_path: Path) -> None:
    path = tmp_path / "a.gor"
    request = "1 a1 1785751200000000000 0\nGET /v1/items/7?q=1 HTTP/1.1\r\nHost: h\r\n\r\n"
    response = "2 a1 1785751200000000000 4000000\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    path.write_text(f"{request}\n🐵🙈🙉\n{response}\n🐵🙈🙉\n", newline="")
    found = read([str(path)], Endpoints(), Safety())
    assert found.sources[0].format == "GoReplay"
    assert found.statuses == {"200": 1}
    (endpoint,) = found.endpoints
    assert (endpoint.endpoint, endpoint.time_us) == ("GET /v1/items/{id}", 4000)


def test_several_captures_are_one(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(b'{"v":1}\n{\n{"id":"a","request":{"method":"GET","target":"/"}}\n')
    found = read([str(path), str(CAPTURE)], Endpoints(), Safety(READS))
    assert (found.exchanges, found.broken) == (2001, 2)
    assert [each.path for each in found.sources] == [str(path), str(CAPTURE)]
    assert f"broken: {path}:1" in render(found, width=140)


def test_a_capture_that_is_not_there() -> None:
    with pytest.raises(CaptureError, match="no such file"):
        read(["none.jsonl"], Endpoints(), Safety())


def test_nothing_of_a_capture_is_interpreted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    exchanges = [
        Exchange(
            id=f"x{number}",
            request=Request(method="GET", target=f"/\xe2\x80\xae[bold]{number}[/]"),
            response=Response(status=200, headers=(("Content-Encoding", "\x9b31mbr"),), body=b"x"),
        )
        for number in range(3)
    ]
    path.write_bytes(b"".join(map(encode_line, exchanges)))
    found = read([str(path)], Endpoints(), Safety())
    text = render(found, width=60)
    assert all(line.isprintable() for line in text.splitlines())
    assert "[bold]" in text
    assert max(map(cell_len, text.splitlines())) <= 60


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "0 B"),
        (999, "999 B"),
        (4_120, "4.1 kB"),
        (12_300_000, "12 MB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes(count: int | None, text: str) -> None:
    assert size_text(count) == text
