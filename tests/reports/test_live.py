"""The live page: its data and its text here, what a browser makes of it beside."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.reports.live import LivePage, live_json
from shadow.reports.live.data import FINDINGS, GUARDS, ROWS, polled
from shadow.reports.live.view import Live, LiveGuard, LiveRoute, LiveRoutes, latches
from shadow.reports.text import plain
from shadow.results.routes import Action, RouteChange, RouteState
from shadow.results.summary import Summary
from tests.reports import hostile, living
from tests.reports.test_page import Elements

MOST_BYTES = 300_000
PAGE = LivePage()


def data_of(live: Live) -> Any:
    return json.loads(live_json(live))


def test_it_shows_what_there_is(summary: Summary) -> None:
    live = living.sidecar(summary)
    data = data_of(live)
    assert data["outcomes"] == {
        "match": 12_044,
        "equivalent": 29_128,
        "divergent": 31,
        "incomparable": 12,
        "skipped": 1_204,
    }
    first, second, third = data["routes"]
    assert (first["route"], first["weight"], first["at"]) == ("*", 0.05, None)
    assert (second["latched"], second["by"]) == (True, "guard:divergence")
    assert second["since"] == "2026-11-26T12:02:07Z"
    assert (third["percent"], third["weight"]) == (25, 0.25)
    assert data["routes_left"] == 1
    assert [each["tripped"] for each in data["guards"]] == [True, False, False, False]
    assert data["queue"]["shed"] == 44
    assert data["queue"]["sheds"] == [["queue-bytes", 41], ["queue-full", 3]]
    assert data["endpoints"][0]["p50"] == [1240, 610]
    assert [21_400, None] in [each["p99"] for each in data["endpoints"]]
    assert data["origin"] == "proxy · run 20261126-100507-5adf · 1.4.2"


def test_the_newest_findings_that_nothing_excuses_come_first(summary: Summary) -> None:
    live = living.sidecar(summary)
    data = data_of(live)
    divergent = [each for each in summary.findings if each.verdict == "divergent"]
    rows = data["findings"]["findings"]
    assert [row[0] for row in rows] == [each.signature for each in divergent]
    assert [first for first, _ in data["seen"]] == sorted(
        (first for first, _ in data["seen"]), reverse=True
    )
    assert data["excused"] == len(summary.findings) - len(divergent)
    assert data["findings_left"] == 0


@pytest.mark.parametrize(
    ("given", "word", "text"),
    [
        ({}, "Shadowing", "go serves everything"),
        ({"weight": 0.25}, "Canary", "rust serves up to 25.0% of 1 route"),
        ({"route": "*", "weight": 0.25}, "Canary", "rust serves 25.0%"),
        ({"latched": True, "weight": 0.0}, "Latched", "1 route on go until a reset"),
        ({"route": "*", "latched": True}, "Latched", "everything on go until a reset"),
    ],
)
def test_the_head_says_where_traffic_goes(
    summary: Summary, given: dict[str, Any], word: str, text: str
) -> None:
    route = LiveRoute(**{"route": "GET /a", **given})
    live = msgspec.structs.replace(living.sidecar(summary), routes=LiveRoutes(routes=(route,)))
    head = data_of(live)["headline"]
    assert (head["word"], head["text"]) == (word, text)
    assert head["judged"] == "31 of 41,203 compared exchanges diverged."


@pytest.mark.parametrize(
    ("match", "judged"),
    [(0, "Nothing is compared yet."), (1, "None of 1 compared exchange diverged.")],
)
def test_the_head_of_a_clean_or_empty_run(match: int, judged: str) -> None:
    live = Live(at=living.AT, started=living.AT, command="sink", match=match)
    assert data_of(live)["headline"]["judged"] == judged


def test_a_state_becomes_a_row() -> None:
    at, before = living.AT, living.AT - timedelta(minutes=5)
    state = RouteState(
        route="GET /a", latched=True, percent=5, reason="later", by="bob", at=at, revision=3
    )
    row = LiveRoute.of(state, weight=0.0)
    assert (row.since, row.by, row.reason, row.percent) == (at, "bob", "later", 5)
    latch = RouteChange(at=before, action="abort", route="GET /a", reason="INC-7", by="ann")
    row = LiveRoute.of(state, weight=0.0, latch=latch)
    assert (row.since, row.by, row.reason, row.at) == (before, "ann", "INC-7", at)
    opened = msgspec.structs.replace(state, latched=False)
    row = LiveRoute.of(opened, weight=0.05, latch=latch)
    assert (row.since, row.by, row.revision, row.weight) == (None, "bob", 3, 0.05)


def test_the_newest_latch_of_a_route_is_told() -> None:
    def change(action: Action, route: str, reason: str) -> RouteChange:
        return RouteChange(at=living.AT, action=action, route=route, reason=reason, by="a")

    newest_first = [
        change("reset", "*", "1"),
        change("rollback", "GET /a", "2"),
        change("abort", "*", "3"),
        change("abort", "GET /a", "4"),
    ]
    found = {route: each.reason for route, each in latches(newest_first).items()}
    assert found == {"GET /a": "2", "*": "3"}


logs = st.floats(allow_nan=True, allow_infinity=True) | st.none()


@given(logs, logs, st.floats(0, 50), st.floats(0, 50), st.booleans())
def test_evidence_is_a_share(
    log_e: float | None, log_sr: float | None, one: float, other: float, tripped: bool
) -> None:
    guard = LiveGuard(
        route="*",
        guard="latency",
        n=1,
        x=0,
        log_e=log_e,
        log_sr=log_sr,
        threshold_e=one,
        threshold_sr=other,
        tripped=tripped,
    )
    assert 0 <= guard.evidence <= 1
    assert not tripped or guard.evidence == 1
    assert not math.isnan(guard.evidence)


def test_evidence_is_that_of_the_nearer_process() -> None:
    guard = living.guard("*", "errors", 2.5, log_sr=-3.0)
    assert guard.evidence == 0.5
    assert msgspec.structs.replace(guard, log_sr=9.0).evidence == pytest.approx(9 / 9.9)


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_five_thousand_hostile_names_stay_text_and_few(summary: Summary, text: str) -> None:
    live = living.full_of(living.sidecar(summary), text, times=5_000)
    shown = PAGE.html(live)
    assert len(shown.encode()) - len(PAGE.html(living.sidecar(summary)).encode()) < MOST_BYTES
    page, usual = Elements(shown), Elements(PAGE.html(living.sidecar(summary)))
    assert page.tags == usual.tags
    data = json.loads(next(text for tag, text in page.texts if tag == "script"))
    assert (len(data["endpoints"]), data["endpoints_left"]) == (ROWS, 5_000 - ROWS)
    assert (len(data["routes"]), data["routes_left"]) == (ROWS, 5_000 - ROWS)
    assert (len(data["guards"]), data["guards_left"]) == (GUARDS, 5_000 - GUARDS)
    rows = data["findings"]["findings"]
    assert len(rows) + data["findings_left"] == 5_000
    assert 0 < len(rows) == len(data["seen"]) <= FINDINGS


@given(hostile.texts)
def test_any_text_can_be_sent(text: str) -> None:
    live = Live(
        at=living.AT,
        started=living.AT,
        command=text,
        run_id=text,
        names=(text, text),
        routes=LiveRoutes(routes=(LiveRoute(route=text, weight=0.1, by=text, reason=text),)),
    )
    said = json.dumps(json.loads(live_json(live)), ensure_ascii=False)
    assert plain(said) == said
    assert "<" not in PAGE.html(live).partition('id="data">')[2].partition("</script>")[0]


def test_the_page_s_policy_admits_its_own_style_and_script(summary: Summary) -> None:
    page = Elements(PAGE.html(living.sidecar(summary)))
    rules = dict(rule.split(" ", 1) for rule in PAGE.policy.split("; "))
    (style,) = [text for tag, text in page.texts if tag == "style"]
    data, script = [text for tag, text in page.texts if tag == "script"]
    assert rules == {
        "default-src": "'none'",
        "style-src": digest(style),
        "script-src": digest(script),
        "connect-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert json.loads(data) == json.loads(live_json(living.sidecar(summary)))
    assert all("src" not in each and "style" not in each for _, each in page.tags)


def test_the_login_has_a_form_and_no_script() -> None:
    page = Elements(PAGE.login())
    rules = dict(rule.split(" ", 1) for rule in PAGE.login_policy.split("; "))
    assert (rules["form-action"], rules["script-src"]) == ("'self'", "'none'")
    assert "connect-src" not in rules
    (form,) = [each for tag, each in page.tags if tag == "form"]
    assert form == {"method": "post", "action": "login"}
    assert "That is not the token." not in PAGE.login()
    assert "That is not the token." in PAGE.login(wrong=True)


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_times_are_utc(summary: Summary) -> None:
    live = living.sidecar(summary)
    east = msgspec.structs.replace(
        live, at=live.at.astimezone(tz=None), started=live.started.astimezone(tz=None)
    )
    assert polled(east)["at"] == live.at
    assert data_of(east)["started"].endswith("Z")
