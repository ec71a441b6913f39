from __future__ import annotations

import os
from pathlib import Path

import pytest

from shadow.captures.redact import load_key
from shadow.errors import ConfigError

KEY = b"0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(KEY + b"\n")
    path.chmod(0o600)
    return path


def test_the_file_goes_before_the_environment(file: Path) -> None:
    assert load_key(file, {"SHADOW_REDACT_KEY": "another key of 16"}) == KEY


def test_the_environment_goes_before_chance() -> None:
    assert load_key(None, {"SHADOW_REDACT_KEY": KEY.decode()}) == KEY
    assert load_key(None, {"SHADOW_REDACT_KEY": KEY.decode() + "\n"}) == KEY


@pytest.mark.parametrize("environment", [{}, {"SHADOW_REDACT_KEY": ""}])
def test_without_one_every_recording_has_its_own(environment: dict[str, str]) -> None:
    keys = {load_key(None, environment) for _ in range(10)}
    assert len(keys) == 10
    assert {len(key) for key in keys} == {32}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o602])
def test_a_key_that_others_can_read_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(ConfigError, match=rf"{file}: the key can be read by others .mode {mode:o}"):
        load_key(file)


def test_a_key_that_is_short_is_refused(file: Path) -> None:
    file.write_bytes(KEY[:-1] + b"\r\n\n")
    with pytest.raises(ConfigError, match=f"{file}: the key is shorter than 16 bytes"):
        load_key(file)
    with pytest.raises(ConfigError, match="SHADOW_REDACT_KEY: the key is shorter") as caught:
        load_key(None, {"SHADOW_REDACT_KEY": "s3cret"})
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"


def test_what_holds_no_key_is_refused(file: Path, tmp_path: Path) -> None:
    file.write_bytes(bytes(5_000))
    with pytest.raises(ConfigError, match="at most 4096 bytes"):
        load_key(file)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_key(tmp_path / "missing")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_key(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="is no file"):
        load_key(tmp_path / "pipe")
