"""Where routes stand, as text."""

from __future__ import annotations

from datetime import UTC, datetime

from shadow.reports.live.view import LiveRoute
from shadow.reports.routes import NOTHING, changed, render, stands
from shadow.reports.text import DASH
from shadow.results.routes import RouteChange, RouteState
from tests.reports import living

AT = datetime(2026, 11, 22, 12, 5, 7, tzinfo=UTC)
MADE = RouteChange(at=AT, action="set", route="GET /a", percent=12.5, reason="r\x1b", by="b\n")


def test_a_change_on_one_line() -> None:
    assert changed(MADE) == "2026-11-22 12:05:07 b\\n: set GET /a to 12.5%; r\\x1b"
    bare = RouteChange(at=AT, action="abort", route="*", reason="", by="a")
    assert changed(bare) == "2026-11-22 12:05:07 a: abort *"


def test_where_a_route_stands_on_one_line() -> None:
    def state(route: str, percent: float | None, *, latched: bool = False) -> RouteState:
        return RouteState(route=route, latched=latched, percent=percent, at=AT, revision=1)

    assert stands(state("*", None)) == "all routes: as the flag says"
    assert stands(state("a\x1b", 5)) == "a\\x1b: rust serves 5%, whatever percentage the flag says"
    closed = stands(state("a", 5, latched=True))
    assert closed == "a: on go until shadow route reset; then rust serves 5%"


def test_rows_guards_and_changes() -> None:
    routes = (
        LiveRoute(route="*", latched=True, since=AT, by="guard:errors", reason="r"),
        LiveRoute(route="GET /a", percent=12.5),
        LiveRoute(route="GET /b", percent=12.5, weight=0.125),
        LiveRoute(route="GET /c", weight=0.0),
        LiveRoute(route="GET /d"),
    )
    guards = (
        living.guard("*", "errors", 6.0, tripped=True, n=812),
        living.guard("GET /a", "latency", 0.0),
        living.guard("GET /b", "divergence", 2.5),
    )
    text = render(routes, guards, [MADE] * 13, width=140)
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["route", "serves", "percent", "latched", "since", "by", "reason"]
    assert rows[1] == ["*", "go,", "latched", DASH, "2026-11-22", "12:05:07", "guard:errors", "r"]
    assert rows[2] == ["GET", "/a", "rust", "12.5%", "12.5", DASH]
    assert rows[3] == ["GET", "/b", "rust", "12.5%", "12.5", DASH]
    assert rows[4] == ["GET", "/c", "go", DASH, DASH]
    assert rows[5] == ["GET", "/d", "by", "the", "flag", DASH, DASH]
    assert text.splitlines()[7:11] == [
        "guards, the nearest to tripping first",
        "errors all routes: 31 of 812, tripped",
        "divergence GET /b: 31 of 41,203, 50.0% of the evidence it takes",
        "",
    ]
    assert text.splitlines()[-1] == "… and 3 more (shadow route status --json)"


def test_nothing_is_changed_yet() -> None:
    assert render((), (living.guard("*", "errors", 0.0),), ()) == f"{NOTHING}\n"
