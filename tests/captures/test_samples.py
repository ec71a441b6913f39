"""Files that the real tools wrote (`replay_data/formats`), and what can become of such files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.captures import FORMATS, WRITINGS, Broken, Record, Unsupported, open_capture, read
from shadow.captures.converting import convert
from shadow.captures.streams import Damage
from shadow.errors import CaptureError
from shadow.model import Exchange, header

FOLDER = Path(__file__).parents[2] / "replay_data" / "formats"


class Sample(NamedTuple):
    file: str
    format: str
    statuses: dict[int | None, int]
    """Exchanges by recorded status, None without an answer."""
    unsupported: int = 0
    broken: int = 0


SIX: dict[int | None, int] = {200: 2, 401: 1, 404: 3}
SEVEN: dict[int | None, int] = {200: 2, 401: 1, 404: 4}
SAMPLES = [
    Sample("alb.log", "access log", {200: 1, 502: 1}),
    Sample("apache.log", "access log", {200: 1, 201: 1, 404: 1}, broken=1),
    Sample("apache-vhost.log", "access log", {200: 8, 400: 1, 404: 3}, broken=2),
    Sample("chromium.har", "HAR", {200: 2, 401: 1, 404: 2}),
    Sample("envoy-bytes.json", "Envoy tap", SEVEN),
    Sample("envoy-streamed.json", "Envoy tap", {200: 5, 404: 1}),
    Sample("envoy-string.json", "Envoy tap", SEVEN),
    Sample("goreplay.gor", "GoReplay", {200: 2, 401: 1, 404: 2, None: 1}),
    Sample("keploy.yaml", "Keploy tests", {200: 1, 401: 1}, unsupported=1),
    Sample("mitmproxy.flow", "mitmproxy flows", SEVEN),
    Sample("mitmproxy.har", "HAR", SEVEN),
    Sample("nginx.log", "access log", {200: 3, 401: 1, 404: 3}),
    Sample("postman.json", "Postman collection", {200: 1, 400: 1, None: 3}, unsupported=1),
    Sample("targets.vegeta", "Vegeta targets (JSON)", {None: 7}),
    Sample("tshark.json.gz", "tshark JSON", SIX),
    Sample("vcr.yaml", "VCR cassette", {200: 2, 401: 1, 404: 1}),
    Sample("vegeta.txt", "Vegeta targets (plain)", {None: 2}, unsupported=1),
]


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.file for sample in SAMPLES])
def test_a_file_of_the_real_tool(sample: Sample) -> None:
    with open_capture(FOLDER / sample.file) as capture:
        assert capture.format.name == sample.format
        fidelity = capture.format.fidelity
        records = list(capture)
    exchanges = [each for each in records if isinstance(each, Exchange)]
    statuses = Counter(each.response.status if each.response else None for each in exchanges)
    assert statuses == sample.statuses
    assert sum(isinstance(each, Unsupported) for each in records) == sample.unsupported
    assert sum(isinstance(each, Broken) for each in records) == sample.broken
    assert len({each.id for each in exchanges}) == len(exchanges)
    for each in exchanges:
        assert each.request.target.startswith("/")
        assert not each.request.headers or fidelity.headers or sample.format == "access log"
        if fidelity.timing and sample.format not in ("Envoy tap", "VCR cassette"):
            assert each.ts is not None
        if each.response is not None and not fidelity.response_body:
            assert each.response.truncated
            assert each.response.body == b""


def test_every_file_is_a_sample_and_every_format_has_one() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {sample.file for sample in SAMPLES}
    assert {each.name for each in FORMATS} - {sample.format for sample in SAMPLES} == {
        "shadow JSON lines"
    }


@pytest.mark.parametrize(
    "file", ["mitmproxy.flow", "tshark.json.gz", "goreplay.gor", "envoy-bytes.json"]
)
def test_the_same_traffic_is_the_same_through_every_tool(file: str) -> None:
    """The requests were the same each time; what a tool adds or is sent through is not."""
    records = [each for each in read([FOLDER / file]) if isinstance(each, Exchange)]
    quote = next(each for each in records if each.request.method == "POST")
    assert quote.request.body == b'{"items":[{"sku":1,"quantity":2}],"currency":"EUR"}'
    assert quote.response is not None
    assert b"a valid bearer token" in quote.response.body
    page = next(each for each in records if "page=1&lang=en" in each.request.target)
    tags = [value for name, value in page.request.headers if name.lower() == "x-tag"]
    assert tags == ["one", "two"]
    assert page.response is not None
    assert len(page.response.body) == (1671 if not page.response.truncated else 1000)
    length = header(page.response.headers, "content-length")
    assert length in ("1671", None)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.file for sample in SAMPLES])
def test_each_can_be_converted_to_the_native_format(sample: Sample, tmp_path: Path) -> None:
    found = [each for each in read([FOLDER / sample.file]) if isinstance(each, Exchange)]
    out = tmp_path / "out.jsonl.gz"
    done = convert(read([FOLDER / sample.file]), out, WRITINGS["native"])
    assert (done.written, done.broken) == (len(found), sample.broken)
    assert list(read([out])) == found


def content(file: str) -> bytes:
    with open_capture(FOLDER / file) as capture:
        chunks = [chunk for chunk in capture.stream if not isinstance(chunk, Damage)]
    return b"".join(chunks)


CONTENTS = {sample.file: content(sample.file) for sample in SAMPLES}
KINDS = {
    sample.file: next(each for each in FORMATS if each.name == sample.format) for sample in SAMPLES
}


def read_all(file: str, data: bytes, size: int = 1 << 20) -> list[Record]:
    chunks: Iterator[bytes | Damage] = (data[at : at + size] for at in range(0, len(data), size))
    try:
        return list(KINDS[file].read(chunks, file))
    except CaptureError:
        return []


@pytest.mark.parametrize("file", CONTENTS)
@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_file_gives_records_or_one_error(file: str, data: st.DataObject) -> None:
    whole = CONTENTS[file]
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, min(len(whole), begin + 200)))
    other = data.draw(
        st.binary(max_size=20)
        | st.sampled_from(
            [b"", b"null", b"[", b"{", b'"', b"\n", b"-1", b"1e999", b"\\ud800", b": "]
        )
    )
    for each in read_all(file, whole[:begin] + other + whole[end:]):
        if isinstance(each, Broken):
            assert each.line >= 1
            assert each.reason.isprintable()


@pytest.mark.parametrize("file", CONTENTS)
def test_a_cut_file_gives_what_stands_before_the_cut(file: str) -> None:
    whole = CONTENTS[file]
    found = read_all(file, whole)
    for share in (0.3, 0.6, 0.9):
        part = read_all(file, whole[: int(len(whole) * share)])
        kept = [each for each in part if isinstance(each, Exchange)]
        assert len(kept) <= len(found)
        for each in kept[:-1]:
            assert each in found or KINDS[file].name == "tshark JSON"


@pytest.mark.parametrize("file", CONTENTS)
def test_the_size_of_the_chunks_does_not_matter(file: str) -> None:
    whole = CONTENTS[file]
    assert read_all(file, whole, 17) == read_all(file, whole)


@pytest.mark.parametrize("file", CONTENTS)
@pytest.mark.parametrize("filling", [b"[", b'{"a":', b"(", b"- ", b'"', b"\\", b" ", b"1:", b"\0"])
def test_what_repeats_without_end_is_read_in_time(file: str, filling: bytes) -> None:
    """As long as a page of a capture; the suite's time limit is what it is held against."""
    head = CONTENTS[file][:400]
    read_all(file, head + filling * (100_000 // len(filling)))
