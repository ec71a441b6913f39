"""What all tests share."""

from __future__ import annotations

import os
import time
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


UNTIL = float(os.environ.get("SHADOW_SLOW_UNTIL", "inf"))
"""When CI begins no slow test any more, in seconds since 1970."""
_no_time_for: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests come last, so that it is them for which there may be no time."""
    items.sort(key=_lateness)


def _lateness(item: pytest.Item) -> int:
    if item.get_closest_marker("slow") is None:
        return 0
    return 2 if "/bench/" in item.nodeid else 1  # what the program is for comes before its speed


def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Leave a slow test out where there is no time for it."""
    if item.get_closest_marker("slow") is None or time.time() < UNTIL:
        return None
    _no_time_for.append(item.nodeid)
    return True


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI everything a test needs was installed, so a skipped test is a failure there."""
    if skipped(session) and os.environ.get("SHADOW_CI") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped, also when there are none."""
    count = len(terminalreporter.stats.get("skipped", ()))
    verdict = ", which fails CI" if count and os.environ.get("SHADOW_CI") else ""
    terminalreporter.write_line(f"skipped tests: {count}{verdict}")
    if _no_time_for:
        terminalreporter.write_line(f"slow tests left out for lack of time: {len(_no_time_for)}")
        for name in _no_time_for:
            terminalreporter.write_line(f"  {name}")


def skipped(session: pytest.Session) -> int:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if reporter else 0
