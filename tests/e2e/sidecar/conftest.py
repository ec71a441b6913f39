"""What the tests of the running sidecar share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.run import GO, RUST
from tests.e2e.sidecar.running import Forks, Service, Shadow, forking


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with forking(tmp_path_factory.mktemp("said")) as found:
        yield found


@pytest.fixture
def shadow(tmp_path: Path, forks: Forks) -> Shadow:
    """Runs commands in an empty folder."""
    return Shadow(tmp_path, forks)


@pytest.fixture
def go() -> Iterator[Service]:
    with Service(GO) as service:
        yield service


@pytest.fixture
def rust() -> Iterator[Service]:
    with Service(RUST) as service:
        yield service


@pytest.fixture
def second() -> Iterator[Service]:
    """Another Go, to learn noise from."""
    with Service(GO) as service:
        yield service
