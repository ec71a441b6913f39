from __future__ import annotations

import base64
import io
import os
import signal
import threading
import time
from pathlib import Path

import pyrage
import pytest

from shadow.captures import Broken, open_capture, open_writer, read
from shadow.captures.age import (
    IDENTITY_VARIABLE,
    MAGICS,
    SUFFIX,
    Decrypted,
    Encryptor,
    load_identities,
    parse_recipients,
)
from shadow.captures.parts import Part
from shadow.captures.recovery import recover
from shadow.captures.rotation import RotatingWriter
from shadow.errors import CaptureError, ConfigError
from shadow.model import Exchange, Request

KEY = pyrage.x25519.Identity.generate()
PUBLIC = str(KEY.to_public())


def exchange(number: int, size: int = 10) -> Exchange:
    body = os.urandom(size).hex().encode()
    return Exchange(id=f"x{number}", request=Request(method="POST", target="/", body=body))


@pytest.fixture(autouse=True)
def identity(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path_factory.mktemp("keys") / "key.txt"
    path.write_text(f"# created: 2026-08-03\n# public key: {PUBLIC}\n{KEY}\n")
    path.chmod(0o600)
    monkeypatch.setenv(IDENTITY_VARIABLE, str(path))
    return path


def written(path: Path, count: int = 20, size: int = 10) -> list[Exchange]:
    exchanges = [exchange(number, size) for number in range(count)]
    with open_writer(path, recipients=[PUBLIC]) as writer:
        for each in exchanges:
            writer.write(each)
    return exchanges


@pytest.mark.parametrize("name", ["a.jsonl.age", "a.jsonl.gz.age", "a.jsonl.zst.age"])
@pytest.mark.parametrize("count", [1, 2_000])
def test_what_is_encrypted_is_read_with_the_key(tmp_path: Path, name: str, count: int) -> None:
    exchanges = written(tmp_path / name, count, 100)
    assert (tmp_path / name).read_bytes().startswith(MAGICS[0])
    assert b"POST" not in (tmp_path / name).read_bytes()
    assert list(read([tmp_path / name])) == exchanges


def test_an_armoured_file_is_read(tmp_path: Path) -> None:
    exchanges = written(tmp_path / "a.age")
    plain = pyrage.decrypt((tmp_path / "a.age").read_bytes(), [KEY])
    armoured = pyrage.encrypt(plain, [KEY.to_public()], armored=True)
    (tmp_path / "b").write_bytes(armoured)
    assert armoured.startswith(MAGICS[1])
    assert list(read([tmp_path / "b"])) == exchanges


def test_a_file_that_is_cut_gives_what_stands_before(tmp_path: Path) -> None:
    path = tmp_path / "a.age"
    exchanges = written(path, 400, 500)
    data = path.read_bytes()
    for kept in (len(data) - 1, len(data) // 2):
        path.write_bytes(data[:kept])
        *found, last = read([path])
        assert isinstance(last, Broken)
        assert last.reason == "the encrypted data ends in the middle, or was changed"
        assert found == exchanges[: len(found)]
        assert len(found) > 100


def test_a_file_that_was_changed_is_not_read_on(tmp_path: Path) -> None:
    path = tmp_path / "a.age"
    written(path, 400, 500)
    data = bytearray(path.read_bytes())
    data[200_000] ^= 1
    path.write_bytes(data)
    *found, last = read([path])
    assert isinstance(last, Broken)
    assert 0 < len(found) < 400


@pytest.mark.parametrize("armoured", [False, True])
def test_a_header_without_end_is_not_read_on(tmp_path: Path, *, armoured: bool) -> None:
    data = MAGICS[0] + b"-> x y\nAAAA\n" * 100_000
    if armoured:
        data = MAGICS[1] + b"\n" + base64.encodebytes(data)
    (tmp_path / "a.age").write_bytes(data)
    began = time.monotonic()
    with pytest.raises(CaptureError, match="was changed"):
        open_capture(tmp_path / "a.age")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("armoured", [False, True])
def test_a_file_for_many_is_read(tmp_path: Path, *, armoured: bool) -> None:
    exchanges = written(tmp_path / "a.age")
    plain = pyrage.decrypt((tmp_path / "a.age").read_bytes(), [KEY])
    others = [pyrage.x25519.Identity.generate().to_public() for _ in range(300)]
    data = pyrage.encrypt(plain, [*others, KEY.to_public()], armored=armoured)
    (tmp_path / "b.age").write_bytes(data)
    assert list(read([tmp_path / "b.age"])) == exchanges


def test_another_key_does_not_read_it(tmp_path: Path, identity: Path) -> None:
    written(tmp_path / "a.age")
    identity.write_text(str(pyrage.x25519.Identity.generate()))
    with pytest.raises(CaptureError, match="it is encrypted for other keys"):
        open_capture(tmp_path / "a.age")


def test_without_a_key_it_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "a.age")
    monkeypatch.delenv(IDENTITY_VARIABLE)
    with pytest.raises(CaptureError, match="it is encrypted with age") as caught:
        open_capture(tmp_path / "a.age")
    assert IDENTITY_VARIABLE in caught.value.hint


def test_keys_that_others_can_read_are_refused(identity: Path) -> None:
    identity.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        load_identities()


@pytest.mark.parametrize("content", ["", "# nothing", "AGE-SECRET-KEY-1x", "-----BEGIN x"])
def test_a_file_without_a_private_key(identity: Path, content: str) -> None:
    identity.write_text(content)
    with pytest.raises(ConfigError, match="there is no private key"):
        load_identities()


def test_public_keys(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"# us\n{PUBLIC}\n\n")
    assert parse_recipients([PUBLIC, str(tmp_path / "keys")]) == (PUBLIC, PUBLIC)
    for wrong in ("age1x", "ssh-rsa x"):
        with pytest.raises(ConfigError, match="is no public key"):
            parse_recipients([wrong])
    with pytest.raises(ConfigError, match="cannot be read"):
        parse_recipients([str(tmp_path / "none")])
    (tmp_path / "keys").write_text("#\n")
    with pytest.raises(ConfigError, match="there is no public key"):
        parse_recipients([str(tmp_path / "keys")])


def test_a_recording_never_has_a_plain_byte_on_the_disk(tmp_path: Path) -> None:
    out = tmp_path / "traffic.jsonl.gz.age"
    now = 1785751200.0
    exchanges = [exchange(number, 2_000) for number in range(200)]
    with RotatingWriter(out, max_bytes=200_000, recipients=[PUBLIC], clock=lambda: now) as writer:
        for each in exchanges:
            writer.write(each)
            now += 0.1
            writer.tick()
            for path in tmp_path.iterdir():
                data = path.read_bytes()
                assert data == b"" or data.startswith(MAGICS[0]), path
    parts = sorted(tmp_path.iterdir())
    assert len(parts) > 1
    assert all(path.name.endswith(".jsonl.gz.age") for path in parts)
    assert list(read(parts)) == exchanges


def test_what_a_recorder_that_died_left_behind_is_kept_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "traffic.jsonl.age"
    exchanges = [exchange(number, 2_000) for number in range(200)]
    writer = RotatingWriter(out, max_bytes=10_000_000, recipients=[PUBLIC])
    now = [0.0]
    writer._clock = lambda: now[0]
    for each in exchanges:
        now[0] += 2
        writer.write(each)
    assert writer._part is not None
    writer._part.release()  # what a kill does
    (left,) = recover(out)
    assert left.finished is not None
    assert left.exchanges is None
    *found, last = read([left.finished])
    assert isinstance(last, Broken)
    assert found == exchanges[: len(found)]
    assert len(found) > 150


@pytest.mark.parametrize("writes", [0, 1])
def test_what_died_before_a_piece_was_full_leaves_nothing(tmp_path: Path, writes: int) -> None:
    """Nobody could read it, and it would stand in the way of the others."""
    out = tmp_path / "traffic.jsonl.age"
    now = 0.0
    writer = RotatingWriter(out, max_age_s=60, recipients=[PUBLIC], clock=lambda: now)
    for number in range(writes):
        writer.write(exchange(number))
        now += 2
        writer.tick()
    assert writer._part is not None
    writer._part.release()  # what a kill does
    (left,) = recover(out)
    assert (left.finished, left.exchanges, left.problem) == (None, 0, "")
    assert not list(tmp_path.iterdir())


def test_a_small_part_that_has_ended_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "traffic-20260803T100000.000Z.jsonl.age"
    exchanges = written(out, 1)
    out.rename(tmp_path / f"{out.name}.part")
    (left,) = recover(tmp_path / "traffic.jsonl.age")
    assert left.finished == str(out)
    assert list(read([out])) == exchanges


def test_nobody_need_read_all_of_it(tmp_path: Path) -> None:
    written(tmp_path / "a.age", 3_000, 500)
    for _ in range(20):
        with open_capture(tmp_path / "a.age") as capture:
            next(iter(capture))


def test_a_signal_in_the_middle_loses_nothing() -> None:
    """A write to the pipe that a signal ends has taken a part."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        encryptor = Encryptor([PUBLIC])
        total = b"".join(encryptor.feed(b"x" * 300_000) for _ in range(60))
        total += encryptor.finish()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(pyrage.decrypt(total, [KEY])) == 18_000_000


def test_a_part_that_cannot_be_made_leaves_nothing_open(tmp_path: Path) -> None:
    def opened() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    before = opened()
    for _ in range(10):
        with pytest.raises(FileNotFoundError):
            Part(tmp_path / "none" / "a.part", SUFFIX, recipients=[PUBLIC])
    assert opened() == before


def test_a_private_key_in_the_place_of_its_file_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for key in (str(KEY), "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA"):
        monkeypatch.setenv(IDENTITY_VARIABLE, key)
        with pytest.raises(ConfigError, match="a private key itself") as caught:
            load_identities()
        assert key not in caught.value.message + caught.value.hint
        with pytest.raises(ConfigError, match="a private key itself"):
            parse_recipients([key])


def test_an_encryptor_takes_little_memory() -> None:
    encryptor = Encryptor([PUBLIC])
    largest = 0
    total = b""
    for _ in range(50):
        made = encryptor.feed(b"x" * 100_000)
        largest = max(largest, len(made))
        total += made
    total += encryptor.finish()
    assert largest < 500_000
    with Decrypted(io.BytesIO(total), [KEY]) as found:
        assert len(io.BufferedReader(found).read()) == 5_000_000
