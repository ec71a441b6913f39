from __future__ import annotations

from pathlib import Path

import pytest

from shadow.captures import Broken, Record, Unsupported, UnwritableError, read
from shadow.captures.converting import KEPT, ConvertPlan, convert, format_of, run
from shadow.captures.formats.native import NativeFormat
from shadow.captures.redact import Redactor
from shadow.errors import CaptureError, ConfigError
from shadow.model import Exchange, Request

NATIVE = NativeFormat()


def exchange(number: int, method: str = "GET") -> Exchange:
    return Exchange(id=f"x{number}", request=Request(method=method, target=f"/{number}"))


class Fussy(NativeFormat):
    """Holds no POST."""

    start, between, end = b"", b"\n", b"\n"

    def encode(self, exchange: Exchange) -> bytes:
        if exchange.request.method == "POST":
            raise UnwritableError("a POST")
        return super().encode(exchange)


BROKEN = Broken(path="a", line=7, reason="it is not JSON")
TUNNEL = Unsupported(id="w", path="a", line=8, reason="a websocket", method="GET", target="/w")


def test_every_record_is_written_left_out_or_broken(tmp_path: Path) -> None:
    records: list[Record] = [exchange(1), BROKEN, exchange(2, "POST"), TUNNEL, exchange(3)]
    done = convert(records, tmp_path / "out.jsonl", Fussy())
    assert (done.written, done.broken) == (2, 1)
    assert done.left_out == {"a POST": 1, "a websocket": 1}
    assert list(read([tmp_path / "out.jsonl"])) == [exchange(1), exchange(3)]


def test_what_stood_there_stays_where_nothing_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("old")
    with pytest.raises(CaptureError, match=r"no exchange to write; 1 left out: a websocket"):
        convert([TUNNEL], out, NATIVE)
    with pytest.raises(CaptureError, match="a:7: it is not JSON"):
        convert([exchange(1), BROKEN], out, NATIVE, strict=True)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_only_the_first_broken_records_are_told(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(NATIVE.encode(exchange(1)) + b"{}\n" * (KEPT + 2))
    plan = ConvertPlan(captures=(str(source),), out=str(tmp_path / "out.jsonl"), to="native")
    told = list(run(plan))
    assert [line.startswith(f"{source}:") for line in told] == [True] * KEPT + [False] * 2
    assert told[-2] == "and 2 more broken records"
    assert told[-1].startswith("1 exchange in ")


def test_secrets_go_where_that_is_asked(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    asked = Request(method="GET", target="/?token=s3cr3t", headers=(("Cookie", "sid=s3cr3t"),))
    source.write_bytes(NATIVE.encode(Exchange(id="x", request=asked)))
    redactor = Redactor(b"k" * 32)
    told = list(
        run(ConvertPlan(captures=(str(source),), out=str(out), to="native", redactor=redactor))
    )
    assert "redacted" in told[-1]
    assert b"s3cr3t" not in out.read_bytes()


def test_a_capture_is_not_written_to_a_file_called_dash() -> None:
    with pytest.raises(ConfigError, match="--out -"):
        format_of("-", "native")


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "b/a.x.jsonl.zst"])
def test_the_name_of_the_file_tells_the_format(name: str) -> None:
    assert format_of(name, None) == "native"


def test_a_format_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"--to xml"):
        format_of("a.jsonl", "xml")
    with pytest.raises(ConfigError, match=r"--out a\.xml"):
        format_of("a.xml", None)
