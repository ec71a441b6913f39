"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import Postgres, running

# Two shared cores make single examples slow at random; a hung test is stopped by its timeout.
settings.register_profile("shadow", deadline=None)
settings.load_profile("shadow")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, for tests that are marked `needs_postgres`."""
    with running() as server:
        yield server


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI everything a test needs was installed, so a skipped test is a failure there."""
    if skipped(session) and os.environ.get("SHADOW_CI") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped, also when there are none."""
    count = len(terminalreporter.stats.get("skipped", ()))
    verdict = ", which fails CI" if count and os.environ.get("SHADOW_CI") else ""
    terminalreporter.write_line(f"skipped tests: {count}{verdict}")


def skipped(session: pytest.Session) -> int:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if reporter else 0
