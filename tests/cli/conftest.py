"""A process in an empty folder, the real services, small captures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.run import GO, RUST, Service, running
from tests.cli import sidecars
from tests.cli.program import (
    CONFIG,
    ROOT,
    Done,
    Exchange,
    Forks,
    Shadow,
    clean,
    command,
    exchange,
    exchanges,
    write,
)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cli.forks"],
        cwd=ROOT,
        env=clean({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Forks(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def said(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what commands print, outside of the one they run in."""
    return tmp_path_factory.mktemp("said")


@pytest.fixture
def shadow(tmp_path: Path, said: Path, forks: Forks) -> Shadow:
    """Runs a command in `tmp_path`, in a process that has everything imported."""
    out, err = said / "out", said / "err"

    def run(*words: object, **environment: str) -> Done:
        with forks.running(tmp_path, *words, out=out, err=err, environment=environment) as running:
            code = running.code()
        return Done(code, out.read_bytes(), err.read_bytes())

    return run


@pytest.fixture(scope="session")
def forked_sidecars() -> Iterator[Forks]:
    with sidecars.preloaded() as found:
        yield found


@pytest.fixture
def start(forked_sidecars: Forks, tmp_path_factory: pytest.TempPathFactory) -> sidecars.Sidecars:
    """Starts `shadow proxy`, `sink` and `record`."""
    return sidecars.Sidecars(forked_sidecars, tmp_path_factory.mktemp("told"))


@pytest.fixture
def fresh(tmp_path: Path) -> Shadow:
    """Runs a command in `tmp_path`, in a process of its own from the beginning."""

    def run(*words: object, **environment: str) -> Done:
        done = subprocess.run(
            command(*words),
            cwd=tmp_path,
            env=clean(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def go() -> Iterator[Service]:
    with running(GO) as service:
        yield service


@pytest.fixture(scope="session")
def rust() -> Iterator[Service]:
    with running(RUST) as service:
        yield service


@pytest.fixture
def targets(go: Service, rust: Service) -> list[str]:
    return ["--go", go.url, "--rust", rust.url, "--config", str(CONFIG)]


@pytest.fixture(scope="session")
def recorded() -> list[Exchange]:
    """The committed capture of the Go service."""
    return exchanges()


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two captures of three exchanges; in the second one an item costs more and one has `[]`."""
    go_bodies = '{"price":1200}', '{"tags":null}', '{"name":"crème"}'
    rust_bodies = '{"price":1250}', '{"tags":[]}', '{"name":"crème"}'
    paths = tmp_path / "go.jsonl", tmp_path / "rust.jsonl"
    for path, bodies in zip(paths, (go_bodies, rust_bodies), strict=True):
        write(path, [exchange(number, body) for number, body in enumerate(bodies, 1)])
    return paths
