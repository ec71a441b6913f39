from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.sidecar.running import Shadow, forking


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shadow]:
    """Runs commands in a folder of its own."""
    folder = tmp_path_factory.mktemp("deploy")
    with forking(tmp_path_factory.mktemp("said")) as forks:
        yield Shadow(folder, forks)
