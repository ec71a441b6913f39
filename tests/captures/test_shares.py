from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures import ELSEWHERE, Broken, Elsewhere, Record, Share, read, read_share
from shadow.captures.formats.native import NativeFormat
from shadow.errors import CaptureError
from shadow.model import Exchange


def line(identity: object, session: object = ..., **fields: object) -> bytes:
    given = {"id": identity, "request": {"method": "GET", "target": "/"}, **fields}
    if session is not ...:
        given["session"] = session
    return json.dumps(given).encode() + b"\n"


LINES = st.lists(
    st.builds(line, st.text(max_size=3), st.sampled_from(["u-1", "u-2", "", None, "\udc80", 7]))
    | st.builds(line, st.text(max_size=3), st.just(...))
    | st.sampled_from(
        [
            b"\n",
            b" \n",
            b"{\n",
            b"\xff\n",
            b"null\n",
            line("x", "u-1", v=9),
            line("x", "u-1", request={"method": "GET", "target": "/\udc80"}),
            line("x", "u-2", request={"method": "GET", "target": "a b"}),
            line("x", "u-2", request=7),
            line("\udc80"),
            b'{"id":"x","session":"u-1","request":{"method":"GET","target":"/"},"x":[[[\n',
            b'{"session":"u-1","request":{"method":"GET","target":"/"}}\n',
            b'{"id":"a","id":"b","request":{"method":"GET","target":"/"}}\n',
            b'{"id":"n","request":{"method":"GET","target":"/"},"x":' + b"[" * 2000 + b"\n",
        ]
    ),
    max_size=12,
)


def of_all_shares(shares: list[list[Record | Elsewhere]]) -> list[Record]:
    """Put the shares together again; each record must be in exactly one."""
    whole = []
    for same in zip(*shares, strict=True):
        (record,) = [each for each in same if not isinstance(each, Elsewhere)]
        whole.append(record)
    return whole


@given(LINES, st.integers(1, 4), st.sampled_from(["session", "id"]))
def test_every_record_of_a_native_file_is_in_one_share(
    lines: list[bytes], of: int, by: str
) -> None:
    native, content = NativeFormat(), b"".join(lines)
    shares = [
        list(native.read_share(iter([content]), "c", Share(index, of, by)))  # type: ignore[arg-type]  # drawn
        for index in range(of)
    ]
    assert of_all_shares(shares) == list(native.read(iter([content]), "c"))


def test_a_share_has_whole_sessions_or_single_exchanges(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"".join(line(f"x{n}", f"u-{n % 40}") for n in range(400)))

    def places(share: Share) -> set[str | None]:
        return {each.session for each in read_share([path], share) if isinstance(each, Exchange)}

    first, second = places(Share(0, 2)), places(Share(1, 2))
    assert not first & second
    assert 10 < len(first) < 30
    assert len(places(Share(0, 2, "id")) & places(Share(1, 2, "id"))) > 20


def test_what_has_no_session_is_spread_by_its_id(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"".join(line(f"x{n}") for n in range(400)))
    counts = Counter(type(each) for each in read_share([path], Share(1, 2)))
    assert 150 < counts[Exchange] < 250


def test_the_place_of_a_record_is_the_same_in_every_share_and_every_format(
    tmp_path: Path, data: Path, compress: Callable[[bytes], bytes]
) -> None:
    random_lines = random.Random(4)
    lines = [
        line(f"x{n}", f"u-{random_lines.randrange(30)}") if n % 7 else b"{broken\n"
        for n in range(3000)
    ]
    archive, cut = tmp_path / "archive", tmp_path / "cut"
    archive.write_bytes(compress(b"".join(lines)))
    cut.write_bytes(compress(b"".join(line(os.urandom(9).hex()) for _ in range(20_000)))[:99_000])
    paths = [archive, data / "chrome.har", cut, data / "mitmproxy.har"]
    expected = list(read(paths))
    for of in (1, 2, 5):
        shares = [list(read_share(paths, Share(index, of))) for index in range(of)]
        assert of_all_shares(shares) == expected
    assert sum(isinstance(each, Broken) for each in expected) > 400


def test_records_of_other_shares_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"".join(line(f"x{n}", "u-1") for n in range(20)))
    mine = Share(0, 2).takes("", "u-1")
    other = Share(index=1 if mine else 0, of=2)
    monkeypatch.setattr("shadow.captures.formats.native.decode_line", None)
    assert list(read_share([path], other)) == [ELSEWHERE] * 20


def test_a_share_that_is_none_is_refused() -> None:
    for index, of in [(2, 2), (-1, 2), (0, 0)]:
        with pytest.raises(ValueError, match="there is no share"):
            Share(index, of)


def test_a_pipe_is_not_shared(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no such file"):
        read_share([tmp_path / "no.jsonl"], Share(0, 2))
    reader, writer = os.pipe()
    with os.fdopen(reader):
        with os.fdopen(writer, "wb") as into:
            into.write(line("x1"))
        with pytest.raises(CaptureError, match="one process only"):
            read_share([f"/dev/fd/{reader}"], Share(0, 2))
