from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion

from shadow.reports.trend import render
from shadow.results.trend import Series, Trend, TrendRun

HOSTILE = "</title><script>alert(1)</script>\x00\x1b[31m\u202e\ud800 & \" ' é 漢字"


def a_trend(count: int, name: str = "rust p99") -> Trend:
    return Trend(
        subject="GET /v1/items/{id}",
        runs=tuple(
            TrendRun(
                run_id=f"202611{day:02d}-130501-3f2a",
                started=datetime(2026, 11, day, 13, 5, tzinfo=UTC),
                baseline="2.4.0",
                candidate=f"0.{day}.0",
                commit=f"{day:x}" * 40,
            )
            for day in range(1, count + 1)
        ),
        series=(
            Series(
                name="divergent",
                unit="share",
                values=tuple(0.1 / (day + 1) for day in range(count)),
            ),
            Series(
                name=name,
                unit="us",
                values=tuple(
                    None if day % 7 == 3 else 1000 + 40 * (day % 5) for day in range(count)
                ),
            ),
            Series(name="never", unit="count", values=(None,) * count),
        ),
    )


@pytest.mark.parametrize("width", [80, 120])
def test_a_course(width: int, snapshot: SnapshotAssertion) -> None:
    text = render(a_trend(28), width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text == snapshot


def test_one_run(snapshot: SnapshotAssertion) -> None:
    assert render(a_trend(1)) == snapshot


def test_no_name_moves_the_cursor() -> None:
    shown = render(a_trend(3, name=HOSTILE))
    assert all(line.isprintable() for line in shown.splitlines())
