"""The state of routes, their ledger and the guards' evidence: worked out, and kept in a store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from shadow.errors import ShadowError
from shadow.results import route_queries
from shadow.results.routes import (
    BUCKET,
    MAX_BUCKETS,
    Action,
    Bucket,
    Buckets,
    RouteChange,
    RouteState,
    added,
    begun,
    changed,
    is_current,
    route_name,
)
from shadow.results.store import Store

Execute = Callable[[Store, str], None]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ITEMS = "GET /v1/items"
KEY = ("v1", ITEMS, "divergence")
ALL = ("v1", "*", "divergence")


def change(action: Action, route: str = ITEMS, **fields: object) -> RouteChange:
    given = {"at": NOON, "reason": f"to {action}", "by": "operator:ann", "version": "v1", **fields}
    return RouteChange(action=action, route=route, **given)  # type: ignore[arg-type]  # a test's own


def totals(found: Mapping[tuple[str, str], Buckets]) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        place: (sum(each.n for each in buckets), sum(each.x for each in buckets))
        for place, buckets in found.items()
    }


# Worked out


def test_a_route_goes_its_way() -> None:
    state = begun(change("set"))
    for action, percent, latched, kept in (
        ("set", 25.0, False, 25.0),
        ("rollback", None, True, 25.0),
        ("set", 50.0, True, 50.0),
        ("reset", None, False, 50.0),
        ("unset", None, False, None),
        ("abort", None, True, None),
    ):
        after = changed(state, change(action, percent=percent))  # type: ignore[arg-type]  # as above
        assert after is not None
        assert (after.latched, after.percent) == (latched, kept)
        assert after.revision == state.revision + 1
        assert (after.route, after.reason, after.by) == (ITEMS, f"to {action}", "operator:ann")
        state = after
    assert state.epoch == 4


@pytest.mark.parametrize("action", ["abort", "rollback"])
@pytest.mark.parametrize("again", ["abort", "rollback"])
def test_a_latch_closes_once(action: Action, again: Action) -> None:
    latched = changed(begun(change(action)), change(action))
    assert latched is not None
    assert latched.latched
    assert changed(latched, change(again)) is None


@pytest.mark.parametrize("percent", [None, -1.0, 100.5, float("nan")])
def test_a_share_is_from_0_to_100(percent: float | None) -> None:
    with pytest.raises(ValueError, match="is no share"):
        changed(begun(change("set")), change("set", percent=percent))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3 * BUCKET), st.integers(0, 100)), max_size=400))
def test_buckets_lose_nothing_and_are_bounded(steps: list[tuple[int, int]]) -> None:
    buckets: Buckets = ()
    for n, x in steps:
        buckets = added(buckets, n, min(n, x))
    assert sum(each.n for each in buckets) == sum(n for n, _ in steps)
    assert sum(each.x for each in buckets) == sum(min(n, x) for n, x in steps)
    assert len(buckets) <= MAX_BUCKETS
    assert all(each.n >= BUCKET for each in buckets[:-1])
    assert all(each.n > 0 for each in buckets)


def test_the_oldest_buckets_become_one() -> None:
    buckets: Buckets = ()
    for number in range(MAX_BUCKETS + 2):
        buckets = added(buckets, BUCKET, number % 2)
    assert buckets[0] == Bucket(n=3 * BUCKET, x=1)
    assert buckets[1:3] == (Bucket(n=BUCKET, x=1), Bucket(n=BUCKET, x=0))


def test_a_bucket_is_filled_before_the_next_is_begun() -> None:
    buckets = added(added(added((), 999, 1), 500, 2), 1, 1)
    assert buckets == (Bucket(n=1499, x=3), Bucket(n=1, x=1))
    assert added(buckets, 0, 0) == buckets


@pytest.mark.parametrize(("n", "x"), [(-1, 0), (1, 2), (0, 1), (1, -1)])
def test_counts_that_cannot_be(n: int, x: int) -> None:
    with pytest.raises(ValueError, match="hits of"):
        added((), n, x)


def test_evidence_from_before_a_reset_does_not_count() -> None:
    def states(**epochs: int) -> dict[str, RouteState]:
        names = {"items": ITEMS, "all": "*"}
        return {
            names[name]: RouteState(route=names[name], at=NOON, revision=9, epoch=epoch)
            for name, epoch in epochs.items()
        }

    assert is_current(ITEMS, {}, {})
    assert is_current(ITEMS, {}, states(items=0, all=0))
    assert not is_current(ITEMS, {}, states(items=3))
    assert not is_current(ITEMS, states(items=3), states(items=3, all=2))
    assert is_current(ITEMS, states(items=3, all=2), states(items=3, all=2))
    assert is_current("GET /other", {}, states(items=3))
    assert is_current(ITEMS, states(items=3), {})  # of a store that was begun anew


@given(st.text())
def test_a_name_is_kept_as_one_and_the_same(text: str) -> None:
    name = route_name(text)
    assert len(name.encode()) <= 503
    assert route_name(name) == name


def test_secrets_in_names_are_alike_in_every_process() -> None:
    assert route_name("GET /a?token=S3CR3T") == "GET /a?token=[masked]"
    assert route_name("GET /a?token=[masked:3f2a]") == "GET /a?token=[masked]"
    assert route_name(ITEMS) == ITEMS
    assert route_name("*") == "*"


# Kept


def test_a_change_is_kept_with_its_entry_in_the_ledger(store: Store) -> None:
    assert (store.route_states(), store.route_changes(), store.evidence_of("v1")) == ({}, [], {})
    entries = [
        change("set", percent=12.5),
        change("abort", "*", at=NOON + timedelta(seconds=1)),
        change("rollback", by="guard:errors", evidence={"n": 10_000, "log_e": 8.25, "ok": None}),
    ]
    states = [store.change_route(each) for each in entries]
    assert [state.revision for state in states] == [1, 1, 2]
    assert store.route_states() == {ITEMS: states[2], "*": states[1]}
    assert (states[2].latched, states[2].percent, states[2].by) == (True, 12.5, "guard:errors")
    assert store.route_changes() == entries[::-1]
    assert store.route_changes(limit=1) == entries[2:]


def test_a_latched_route_is_latched_once(store: Store) -> None:
    first = store.change_route(change("rollback", by="guard:latency"))
    assert store.change_route(change("rollback", by="guard:errors")) == first
    assert store.change_route(change("abort")) == first
    assert len(store.route_changes()) == 1


def test_a_rollback_that_was_decided_before_a_reset_is_none(store: Store) -> None:
    slow = store.route_states()
    assert store.change_route(change("rollback"), known=slow).latched
    reset = store.change_route(change("reset"))
    assert store.change_route(change("rollback"), known=slow) == reset
    store.change_route(change("reset", "*"))
    other = change("rollback", "GET /other")
    assert store.change_route(other, known={ITEMS: reset}).revision == 0
    assert len(store.route_changes()) == 3
    assert store.change_route(other, known=store.route_states()).latched
    assert set(store.route_states()) == {ITEMS, "*", "GET /other"}


def test_a_refused_change_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(ValueError, match="no share"):
        store.change_route(change("set", percent=101.0))
    assert (store.route_states(), store.route_changes()) == ({}, [])


@pytest.mark.parametrize(
    "statement", ["DELETE FROM route_changes", "UPDATE route_changes SET entry = ''"]
)
def test_the_ledger_only_grows(store: Store, execute: Execute, statement: str) -> None:
    store.change_route(change("abort"))
    with pytest.raises(DBAPIError, match="a change stays as it was entered"):
        execute(store, statement)
    assert len(store.route_changes()) == 1


def test_texts_are_masked_and_bounded(store: Store) -> None:
    hostile = "token=S3CR3T \0\ud800 " + "x" * 5_000
    facts: dict[str, object] = {"inf": float("inf"), "large": 10**40, "list": [1, "a"]}
    facts |= {f"{number} {hostile}": hostile for number in range(100)}
    state = store.change_route(
        change("rollback", hostile, reason=hostile, by=hostile, version=hostile, evidence=facts)
    )
    (entry,) = store.route_changes()
    assert list(store.route_states()) == [state.route]
    assert len(msgspec.json.encode(entry)) < 40_000
    assert "S3CR3T" not in repr((entry.reason, entry.by, entry.route, entry.evidence, state))
    store.add_evidence({(hostile, hostile, "errors"): (1, 0)}, known={})
    assert list(store.evidence_of(hostile)) == [(state.route, "errors")]
    assert entry.evidence["inf"] == "inf"
    assert entry.evidence["list"] == "[1, 'a']"
    assert len(entry.evidence) == 32


def test_evidence_adds_up(store: Store) -> None:
    store.add_evidence({}, known={})
    store.add_evidence({KEY: (0, 0)}, known={})
    assert store.evidence_of("v1") == {}
    for _ in range(3):
        store.add_evidence({KEY: (600, 1), ALL: (600, 0), ("v2", "*", "errors"): (5, 5)}, known={})
    assert store.evidence_of("v1") == {
        (ITEMS, "divergence"): (Bucket(n=1200, x=2), Bucket(n=600, x=1)),
        ("*", "divergence"): (Bucket(n=1200, x=0), Bucket(n=600, x=0)),
    }
    assert totals(store.evidence_of("v2")) == {("*", "errors"): (15, 15)}
    assert store.evidence_of("v3") == {}


def test_evidence_that_cannot_be_changes_nothing(store: Store) -> None:
    store.add_evidence({KEY: (1, 1)}, known={})
    for wrong in ({ALL: (1, 0), KEY: (1, 2)}, {ALL: (1, 0), ("v1", "*", "other"): (1, 1)}):
        with pytest.raises(ValueError, match=r"hits of|no guard other"):
            store.add_evidence(wrong, known={})
    assert totals(store.evidence_of("v1")) == {(ITEMS, "divergence"): (1, 1)}


def test_names_that_are_kept_alike_are_counted_together(store: Store) -> None:
    deltas = {("v1", f"GET /a?token={secret}", "errors"): (1, 0) for secret in ("one", "two")}
    store.add_evidence(deltas, known={})
    assert totals(store.evidence_of("v1")) == {("GET /a?token=[masked]", "errors"): (2, 0)}


def test_a_reset_begins_the_evidence_anew_and_keeps_the_old_out(store: Store) -> None:
    other = ("v1", "GET /other", "divergence")
    slow = store.route_states()
    store.add_evidence({KEY: (10, 5), other: (10, 5), ALL: (20, 10)}, known=slow)
    store.change_route(change("rollback"))
    store.change_route(change("reset"))
    assert totals(store.evidence_of("v1")) == {
        ("GET /other", "divergence"): (10, 5),
        ("*", "divergence"): (20, 10),
    }
    store.add_evidence({KEY: (7, 7), other: (1, 1)}, known=slow)  # gathered before the reset
    assert totals(store.evidence_of("v1"))["GET /other", "divergence"] == (11, 6)
    assert (ITEMS, "divergence") not in store.evidence_of("v1")
    store.change_route(change("set", percent=5.0))  # begins nothing anew
    store.add_evidence({KEY: (3, 0)}, known=store.route_states())
    known = store.route_states()
    store.change_route(change("set", percent=10.0))
    store.add_evidence({KEY: (4, 1)}, known=known)
    assert totals(store.evidence_of("v1"))[ITEMS, "divergence"] == (7, 1)


def test_a_reset_of_all_begins_all_of_the_version_anew(store: Store) -> None:
    v2 = ("v2", ITEMS, "errors")
    slow = store.route_states()
    store.add_evidence({KEY: (10, 5), ALL: (10, 5), v2: (1, 1)}, known=slow)
    store.change_route(change("rollback"))
    store.change_route(change("abort", "*"))
    assert not store.change_route(change("reset", "*")).latched
    assert store.route_states()[ITEMS].latched
    assert store.evidence_of("v1") == {}
    assert totals(store.evidence_of("v2")) == {(ITEMS, "errors"): (1, 1)}
    store.add_evidence({KEY: (10, 5), ALL: (10, 5)}, known=slow)
    assert store.evidence_of("v1") == {}
    store.change_route(change("reset", version=""))  # who resets need not know the version
    assert store.evidence_of("v2") == {}


def test_evidence_is_cleared_by_itself(store: Store) -> None:
    store.add_evidence({KEY: (1, 0), ALL: (1, 0), ("v2", "*", "errors"): (1, 0)}, known={})
    store.clear_evidence("v1", ITEMS)
    assert list(store.evidence_of("v1")) == [("*", "divergence")]
    store.clear_evidence("v1", "*")
    assert store.evidence_of("v1") == {}
    assert store.evidence_of("v2") != {}


def test_what_is_counted_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_queries, "MAX_COUNTED", 3)
    monkeypatch.setattr(route_queries, "MAX_VERSIONS", 2)
    deltas = {("v1", f"GET /{number}", "errors"): (1, 0) for number in range(5)}
    store.add_evidence({**deltas, ("v1", "*", "errors"): (5, 0)}, known={})
    found = store.evidence_of("v1")
    assert len(found) == 3
    assert ("*", "errors") in found
    store.add_evidence({("v1", "*", "errors"): (5, 0)}, known={})
    assert totals(store.evidence_of("v1"))["*", "errors"] == (10, 0)
    with pytest.MonkeyPatch.context() as patch:
        for number, version in enumerate(["v2", "v3"]):
            later = datetime.now(UTC) + timedelta(seconds=5 + number)
            patch.setattr("shadow.results.store.datetime", at(later))
            store.add_evidence({(version, "*", "errors"): (1, 0)}, known={})
    kept = [bool(store.evidence_of(version)) for version in ("v1", "v2", "v3")]
    assert kept == [False, True, True]


def at(moment: datetime) -> type[datetime]:
    class Fixed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(moment.timestamp(), tz)

    return Fixed


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("INSERT INTO route_states (route, state) VALUES ('a', '{}')", "state of a route"),
        ("INSERT INTO route_changes (entry) VALUES ('{}')", "change of a route"),
        ("INSERT INTO route_evidence VALUES ('v', 'a', 'errors', '{}', 0)", "evidence"),
    ],
)
def test_what_is_damaged_is_told(store: Store, execute: Execute, statement: str, what: str) -> None:
    execute(store, statement)
    with pytest.raises(ShadowError, match=f"damaged {what}"):
        assert not (store.route_states(), store.route_changes(), store.evidence_of("v"))


def test_a_store_of_a_release_without_routes(file_store: Store, execute: Execute) -> None:
    for table in ("route_states", "route_changes", "route_evidence"):
        execute(file_store, f"DROP TABLE {table}")
    with Store.open(file_store.place, create=False) as store:
        assert (store.route_states(), store.route_changes(), store.evidence_of("v")) == ({}, [], {})
        store.change_route(change("abort"))
        assert store.route_states()[ITEMS].latched
    with pytest.raises(DBAPIError, match="stays as it was entered"):
        execute(file_store, "DELETE FROM route_changes")


def test_sidecars_that_write_at_once_lose_nothing(where: str) -> None:
    with Store.open(where) as store:

        def work(number: int) -> int:
            with Store.open(where) as mine:
                for _ in range(10):
                    mine.add_evidence({KEY: (100, 1), ALL: (100, 1)}, known=mine.route_states())
                    mine.change_route(change("rollback", by=f"guard:{number}"))
                    mine.change_route(change("set", f"GET /{number}", percent=1.0))
                return mine.change_route(change("rollback")).revision

        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(work, range(3))) == [1, 1, 1]
        expected = (3_000, 30)
        assert set(totals(store.evidence_of("v1")).values()) == {expected}
        changes = store.route_changes()
        assert sum(each.action == "rollback" for each in changes) == 1
        assert len(changes) == 31


DIES = """
import os, signal, sys
from shadow.results import route_queries
from shadow.results.store import Store
from shadow.results.routes import RouteChange
from datetime import UTC, datetime

def die(*_):
    print("midway", flush=True)
    sys.stdin.read()

store = Store.open(sys.argv[1])
store.add_evidence({("v1", "*", "errors"): (1, 1)}, known={})
route_queries.clear_evidence = die
store.change_route(RouteChange(at=datetime.now(UTC), action="reset", route="*", reason="", by=""))
"""


def test_a_writer_that_is_killed_midway_leaves_nothing_and_holds_up_nobody(where: str) -> None:
    with (
        Store.open(where) as store,
        subprocess.Popen(
            [sys.executable, "-c", DIES, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as writer,
    ):
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"midway\n"
        assert store.route_states() == {}
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        store.add_evidence({("v1", "*", "errors"): (1, 0)}, known={})
        assert totals(store.evidence_of("v1")) == {("*", "errors"): (2, 1)}
        assert (store.route_states(), store.route_changes()) == ({}, [])


def test_a_store_says_whether_it_is_shared(store: Store) -> None:
    assert store.shared == (not isinstance(store.place, Path))
