"""What is told of the builds of both services: versions, toolchains, lock files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from shadow.config import builds
from shadow.config.file import Config, load, parse
from shadow.errors import ConfigError
from shadow.replay.provenance import VersionSource
from shadow.results.provenance import Build


def config(**keys: object) -> Config:
    return parse({"targets": {"candidate": keys}})


def test_a_build_of_file_and_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Cargo.lock").write_bytes(b"abc")
    path = tmp_path / "shadow.toml"
    path.write_text('[targets.candidate]\nlockfile = "Cargo.lock"\ntoolchain = "rustc 1.83"\n')
    monkeypatch.chdir("/")  # the lock file is looked for beside the config
    found = load(str(path))
    assert builds.build(found, "candidate", {"rust_version": "1.0"}) == Build(
        version="1.0", toolchain="rustc 1.83", lockfile=hashlib.sha256(b"abc").hexdigest()
    )
    assert builds.build(found, "baseline", {"rust_version": "1.0"}) == Build()
    (tmp_path / "Cargo.lock").unlink()
    with pytest.raises(ConfigError) as caught:
        builds.build(found, "candidate", {})
    assert caught.value.message.startswith(f"{path}:2: targets.candidate.lockfile: ")


@pytest.mark.parametrize(
    ("version", "source"),
    [
        ({"path": "/version"}, VersionSource(path="/version")),
        ({"header": "X-Version"}, VersionSource(path="/", header="X-Version")),
        ({"header": "X-V", "path": "/h"}, VersionSource(path="/h", header="X-V")),
    ],
)
def test_where_a_version_is_said(version: dict[str, str], source: VersionSource) -> None:
    assert builds.version_source(config(version=version), "candidate") == source
    assert builds.version_source(config(version=version), "baseline") is None


@pytest.mark.parametrize(
    ("version", "said"), [({}, "is empty"), ({"path": "version"}, "is no path")]
)
def test_a_version_that_is_nowhere(version: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=f"targets.candidate.version.*{said}"):
        builds.version_source(config(version=version), "candidate")
