from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shadow.captures import FORMATS, Fidelity, open_capture
from shadow.errors import CaptureError

NATIVE = b'{"id":"a","request":{"method":"GET","target":"/"}}\n'
GOR = b"1 932079936fa4306fc308d67588178d17d823647c 1785751200123456789\nGET / HTTP/1.1\r\n\r\n"
COLLECTION = json.dumps(
    {"info": {"schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"}}
)
HAR = b'{"log":{"entries":[{"request":{"method":"GET","url":"http://h/"}}]}}'


def name_of(path: Path) -> str:
    with open_capture(path) as capture:
        return capture.format.name


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (NATIVE, "shadow JSON lines"),
        (b"\n \n" + NATIVE, "shadow JSON lines"),
        (b"\xef\xbb\xbf" + NATIVE, "shadow JSON lines"),
        (b"a log line\n" + NATIVE, "shadow JSON lines"),
        (b'{"id":"a","response":{"body":"' + b"x" * 100_000, "shadow JSON lines"),
        (
            NATIVE[:-3] + b',"body":' + json.dumps(COLLECTION).encode() + b"}}\n",
            "shadow JSON lines",
        ),
        (COLLECTION.encode(), "Postman collection"),
        (HAR, "HAR"),
        (b"\xef\xbb\xbf\r\n" + HAR, "HAR"),
        (json.dumps(json.loads(HAR), indent=2).encode(), "HAR"),
        (GOR, "GoReplay"),
        (GOR.replace(b"\n", b" 4500\n", 1), "GoReplay"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".har", ".gz", ".jsonl"])
def test_the_format_is_told_by_content_and_never_by_name(
    tmp_path: Path, content: bytes, name: str, suffix: str
) -> None:
    path = tmp_path / f"capture{suffix}"
    path.write_bytes(content)
    assert name_of(path) == name


def test_the_format_is_told_in_an_archive(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    for content, name in ((NATIVE, "shadow JSON lines"), (HAR, "HAR"), (GOR, "GoReplay")):
        path = tmp_path / "capture"
        path.write_bytes(compress(content))
        assert name_of(path) == name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no exchanges"),
        (b"\xef\xbb\xbf", "holds no exchanges"),
        (b" \r\n\n", "holds no exchanges"),
        (b"GET / HTTP/1.1\r\n\r\n", "no capture of a known format"),
        (b'{"event":"shadow.divergence","v":1}\n', "no capture of a known format"),
        (b'{\n  "name": "package"\n}\n', "no capture of a known format"),
        (b"PK\x03\x04zip", "no capture of a known format"),
        (b"\x1f\x8b", "the gzip data ends in the middle"),
        (b"\x1f\x8b" + b"\xff" * 20, "the gzip data is damaged"),
        (b"\x28\xb5\x2f\xfd", "the zstd data ends in the middle"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 20, "the zstd data is damaged"),
    ],
)
def test_what_is_no_capture_is_named_with_a_hint(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_bytes(content)
    with pytest.raises(CaptureError) as caught:
        open_capture(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_standard_input_is_read_and_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(NATIVE)))
    monkeypatch.setattr("sys.stdin", stdin)
    with open_capture("-") as capture:
        assert not capture.reopens
        assert len(list(capture)) == 1
    assert not stdin.buffer.closed


def test_every_format_states_its_fidelity() -> None:
    fidelity = {candidate.name: candidate.fidelity for candidate in FORMATS}
    assert fidelity["shadow JSON lines"] == fidelity["GoReplay"] == Fidelity()
    assert fidelity["HAR"] == Fidelity(whole_body=False, header_order=False)
