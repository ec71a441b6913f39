from __future__ import annotations

import os
from pathlib import Path

import pytest

from shadow.captures.key_files import read_key
from shadow.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(b"0123456789")
    path.chmod(0o644)
    return path


def test_a_public_key_may_be_read_by_others_and_a_private_one_not(file: Path) -> None:
    assert read_key(file, most=10, private=False) == b"0123456789"
    with pytest.raises(ConfigError, match=rf"^--x: {file}: the key can be read by others"):
        read_key(file, most=10, private=True, source="--x")
    file.chmod(0o600)
    assert read_key(file, most=10, private=True) == b"0123456789"


def test_a_file_that_is_longer_than_a_key_is_not_cut(file: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^{file}: a key has at most 9 bytes"):
        read_key(file, most=9, private=False)


def test_what_is_no_file_is_refused_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="pipe: is no file"):
        read_key(tmp_path / "pipe", most=9, private=True)
    for missing in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match="the key cannot be read: "):
            read_key(missing, most=9, private=True)
