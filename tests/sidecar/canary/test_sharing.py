from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shadow.errors import ShadowError, UnfinishedError
from shadow.results.routes import Action, RouteChange, RouteState
from shadow.results.store import Store
from shadow.sidecar.canary.evidence import Seen
from shadow.sidecar.canary.guards import GuardPolicy, Rollback
from shadow.sidecar.canary.routing import Routing
from shadow.sidecar.canary.sharing import SYNC_S, Sharing
from shadow.sidecar.complaints import Complaints
from tests.sidecar.trial import PATIENCE_S

ROUTE = "GET /v1/items/{id}"
GONE = UnfinishedError("store x: the server is gone", "")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.sqlite") as opened:
        yield opened


class Flaky:
    """A store of which methods fail, before or after they did their work."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failing: dict[str, Exception] = {}
        self.gate: threading.Event | None = None
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def call(*words: Any, **given: Any) -> Any:
            self.calls.append(name)
            if self.gate is not None:
                assert self.gate.wait(PATIENCE_S)
            if name in self.failing:
                raise self.failing[name]
            return found(*words, **given)

        return call


class Trial:
    """A sidecar's routing and its sharing, and what they said."""

    def __init__(self, store: Store | None, *, name: str = "a", **policy: Any) -> None:
        self.flaky = None if store is None else Flaky(store)
        self.routing = Routing(GuardPolicy(**policy))
        self.rolled_back: list[Rollback] = []
        self.changed: list[RouteState] = []
        self.told: list[str] = []
        self._any = asyncio.Event()
        self.sharing = Sharing(
            self.routing,
            store=lambda: self.flaky,  # type: ignore[arg-type,return-value]  # as much as is needed
            version="1",
            sidecar=name,
            rolled_back=self._note(self.rolled_back),
            changed=self._note(self.changed),
            complain=Complaints(self.told.append),
        )

    def _note(self, into: list[Any]) -> Callable[[Any], None]:
        def note(what: Any) -> None:
            into.append(what)
            self._any.set()

        return note

    async def until(self, wanted: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not wanted():
                self._any.clear()
                await self._any.wait()

    def see(self, count: int = 1, *, divergent: bool = False) -> None:
        for _ in range(count):
            self.routing.observe(
                Seen(
                    route=ROUTE,
                    divergent=divergent,
                    baseline_failed=False,
                    candidate_failed=False,
                )
            )


def change(action: Action, route: str = ROUTE, percent: float | None = None) -> RouteChange:
    return RouteChange(
        at=datetime.now(UTC), action=action, route=route, percent=percent, reason="r", by="ann"
    )


def counted(store: Store, version: str = "1") -> dict[tuple[str, str], tuple[int, int]]:
    return {
        place: (sum(each.n for each in buckets), sum(each.x for each in buckets))
        for place, buckets in store.evidence_of(version).items()
    }


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_evidence_is_given_once(store: Store) -> None:
    async def story() -> None:
        trial = Trial(store)
        trial.see(3)
        for _ in range(3):
            await trial.sharing.once()
        assert counted(store) == {(ROUTE, "divergence"): (3, 0), ("*", "divergence"): (3, 0)}
        assert trial.sharing.known
        assert trial.sharing.synced > 0

    run(story)


@pytest.mark.parametrize("name", ["add_evidence", "route_states", "evidence_of"])
@pytest.mark.parametrize("error", [GONE, ShadowError("damaged"), RuntimeError("s3cr3t")])
def test_evidence_is_neither_lost_nor_given_twice(
    store: Store, name: str, error: Exception
) -> None:
    async def story() -> None:
        trial = Trial(store)
        assert trial.flaky is not None
        trial.see(3, divergent=True)
        trial.flaky.failing[name] = error
        for _ in range(2):
            await trial.sharing.once()
            trial.see(1)
        assert not trial.sharing.known
        assert trial.sharing.error
        (told,) = trial.told
        assert "s3cr3t" not in told
        trial.flaky.failing.clear()
        for _ in range(2):
            await trial.sharing.once()
        assert counted(store)[ROUTE, "divergence"] == (5, 3)
        assert trial.sharing.error == ""
        assert trial.sharing.known

    run(story)


def test_states_are_taken_over_and_each_revision_is_told_once(store: Store) -> None:
    async def story() -> None:
        store.change_route(change("set", percent=5))
        trial = Trial(store)
        await trial.sharing.once()
        assert trial.changed == []  # so it stood before
        assert trial.routing.states[ROUTE].percent == 5
        store.change_route(change("set", percent=7))
        store.change_route(change("abort", "*"))
        for _ in range(3):
            await trial.sharing.once()
        assert {each.route: each.revision for each in trial.changed} == {ROUTE: 2, "*": 1}
        assert len(trial.changed) == 2
        assert trial.routing.latched == {"*"}

    run(story)


def test_an_operator_is_followed_within_half_a_second(store: Store) -> None:
    async def story() -> None:
        trial = Trial(store)
        await trial.sharing.once()
        task = asyncio.ensure_future(trial.sharing.run())
        await asyncio.sleep(SYNC_S / 5)  # the worst moment is just after a look
        started = time.monotonic()
        store.change_route(change("abort"))
        await trial.until(lambda: bool(trial.changed))
        assert time.monotonic() - started < 0.5
        assert trial.routing.latched == {ROUTE}
        task.cancel()

    run(story)


def test_a_rollback_is_in_the_ledger_once_and_reaches_the_others(store: Store) -> None:
    async def story() -> None:
        ours, theirs = Trial(store), Trial(store, name="b")
        for each in (ours, theirs):
            await each.sharing.once()
        ours.see(50, divergent=True)
        due = ours.routing.check()
        assert {each.route for each in due} == {ROUTE, "*"}
        for _ in range(3):
            await ours.sharing.once()
            await theirs.sharing.once()
        ledger = store.route_changes()
        assert sorted(each.route for each in ledger) == sorted([ROUTE, "*"])
        assert {each.evidence["sidecar"] for each in ledger} == {"a"}
        assert ours.rolled_back == []  # whoever called `check` knows
        assert theirs.routing.latched == {ROUTE, "*"}
        assert theirs.rolled_back == []
        assert len(theirs.changed) == len(ours.changed) == 2

    run(story)


def test_evidence_of_several_sidecars_trips_together(store: Store) -> None:
    async def story() -> None:
        trials = [Trial(store, name=name, max_divergence_rate=0.5) for name in "abc"]
        for number in range(60):
            trial = trials[number % 3]
            trial.see(1, divergent=True)
            assert trial.routing.check() == ()  # its own is not enough
            await trial.sharing.once()
            if trial.rolled_back:
                break
        tripped = [each for each in trials if each.rolled_back]
        assert len(tripped) == 1
        for _ in range(2):
            for each in trials:
                await each.sharing.once()
        assert all(each.routing.latched for each in trials)
        rollbacks = [each.route for each in store.route_changes()]
        assert len(rollbacks) == len(set(rollbacks))

    run(story)


def test_a_rollback_from_before_a_reset_does_not_undo_it(store: Store) -> None:
    async def story() -> None:
        trial = Trial(store)
        await trial.sharing.once()
        trial.see(50, divergent=True)
        trial.routing.check()
        store.change_route(change("abort"))
        store.change_route(change("reset"))
        await trial.sharing.once()
        assert not store.route_states()[ROUTE].latched
        assert ROUTE not in trial.routing.latched
        await trial.sharing.once()
        assert not store.route_states()[ROUTE].latched
        assert counted(store).get((ROUTE, "divergence"), (0, 0)) == (0, 0)

    run(story)


def test_an_operator_s_change_holds_at_once(store: Store) -> None:
    async def story() -> None:
        trial = Trial(store)
        await trial.sharing.once()
        task = asyncio.ensure_future(trial.sharing.run())
        state = await trial.sharing.change(change("set", percent=25))
        assert (state.percent, state.revision) == (25, 1)
        assert trial.routing.states[ROUTE].percent == 25
        (entry,) = await trial.sharing.changes(10)
        assert (entry.action, entry.by) == ("set", "ann")
        assert len(trial.changed) == 1
        with pytest.raises(ValueError, match="no share"):
            await trial.sharing.change(change("set", percent=None))
        assert not task.done()
        task.cancel()

    run(story)


def test_an_abort_holds_at_once_though_the_store_fails(store: Store) -> None:
    """It is the emergency brake: a database that is away must not hold it up."""

    async def story() -> None:
        trial, other = Trial(store), Trial(store, name="b")
        await trial.sharing.once()
        assert trial.flaky is not None
        trial.flaky.failing = {"change_route": GONE, "route_states": GONE}
        with pytest.raises(UnfinishedError) as caught:
            await trial.sharing.change(change("abort"))
        assert caught.value.message.startswith("store x: the server is gone; this sidecar serves")
        assert trial.routing.latched == {ROUTE}
        with pytest.raises(UnfinishedError, match=r"is gone$"):
            await trial.sharing.change(change("reset"))
        await trial.sharing.once()
        assert trial.routing.latched == {ROUTE}
        assert [each.route for each in trial.sharing.pending] == [ROUTE]
        assert store.route_states() == {}
        trial.flaky.failing.clear()
        await trial.sharing.once()
        await other.sharing.once()
        assert trial.sharing.pending == ()
        assert trial.routing.latched == other.routing.latched == {ROUTE}
        (entered,) = store.route_changes()
        assert (entered.action, entered.by) == ("abort", "ann")
        await trial.sharing.change(change("reset"))
        await other.sharing.once()
        assert trial.routing.latched == other.routing.latched == frozenset()

    run(story)


def test_a_reset_takes_back_an_abort_that_was_never_entered(store: Store) -> None:
    async def story() -> None:
        trial = Trial(store)
        await trial.sharing.once()
        assert trial.flaky is not None
        trial.flaky.failing = {"change_route": GONE}
        with pytest.raises(UnfinishedError):
            await trial.sharing.change(change("abort"))
        trial.flaky.failing.clear()
        await trial.sharing.change(change("reset"))
        await trial.sharing.once()
        assert (trial.routing.latched, trial.sharing.pending) == (frozenset(), ())
        assert [each.action for each in store.route_changes()] == ["reset"]

    run(story)


def test_an_abort_that_was_never_entered_is_not_entered_behind_its_reset(store: Store) -> None:
    """A round begins while the store takes its time over the reset."""

    async def story() -> None:
        trial = Trial(store)
        await trial.sharing.once()
        assert trial.flaky is not None
        trial.flaky.failing = {"change_route": GONE}
        with pytest.raises(UnfinishedError):
            await trial.sharing.change(change("abort"))
        trial.flaky.failing = {}
        trial.flaky.gate = threading.Event()
        resetting = asyncio.ensure_future(trial.sharing.change(change("reset")))
        await asyncio.sleep(0.01)
        round_ = asyncio.ensure_future(trial.sharing.once())
        await asyncio.sleep(0.01)
        trial.flaky.gate.set()
        assert not (await resetting).latched
        await round_
        assert [each.action for each in store.route_changes()] == ["reset"]
        assert ROUTE not in trial.routing.latched

    run(story)


def test_a_reset_that_fails_takes_back_no_abort(store: Store) -> None:
    async def story() -> None:
        trial = Trial(store)
        await trial.sharing.once()
        assert trial.flaky is not None
        trial.flaky.failing = {"change_route": GONE}
        for action in ("abort", "reset"):
            with pytest.raises(UnfinishedError):
                await trial.sharing.change(change(action))
        trial.flaky.failing = {}
        await trial.sharing.once()
        assert [each.action for each in store.route_changes()] == ["abort"]
        assert ROUTE in trial.routing.latched

    run(story)


def test_nobody_waits_long_for_a_store_that_says_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shadow.sidecar.canary.sharing.CHANGE_S", 0.02)

    async def story() -> None:
        trial = Trial(store)
        await trial.sharing.once()
        assert trial.flaky is not None
        trial.flaky.gate = threading.Event()
        with pytest.raises(UnfinishedError, match=r"did not answer within 0\.02 s"):
            await trial.sharing.change(change("abort"))
        assert trial.routing.latched == {ROUTE}
        trial.flaky.gate.set()
        await trial.sharing.once()
        assert [each.action for each in store.route_changes()] == ["abort"]

    run(story)


def test_rounds_do_not_meet(store: Store) -> None:
    async def story() -> None:
        trial = Trial(store)
        assert trial.flaky is not None
        trial.flaky.gate = threading.Event()
        trial.see(2, divergent=True)
        first = asyncio.ensure_future(trial.sharing.once())
        await asyncio.sleep(0)
        trial.see(3, divergent=True)
        second = asyncio.ensure_future(trial.sharing.once())
        await asyncio.sleep(0)
        trial.flaky.failing["add_evidence"] = GONE
        trial.flaky.gate.set()
        await first
        trial.flaky.failing.clear()
        await second
        await trial.sharing.once()
        assert counted(store)[ROUTE, "divergence"] == (5, 5)

    run(story)


def test_without_a_store_nothing_is_known_and_that_is_said() -> None:
    async def story() -> None:
        trial = Trial(None)
        await trial.sharing.once()
        assert not trial.sharing.known
        with pytest.raises(UnfinishedError, match="cannot be reached"):
            await trial.sharing.change(change("abort"))
        with pytest.raises(UnfinishedError, match="cannot be reached"):
            await trial.sharing.changes(10)
        trial.sharing.close()

    run(story)


def test_a_bug_ends_no_sharing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        trial = Trial(store)
        monkeypatch.setattr("shadow.sidecar.canary.sharing.SYNC_S", 0.001)
        task = asyncio.ensure_future(trial.sharing.run())
        real = trial.routing.sync
        failed = asyncio.Event()

        def fail(*_: object) -> tuple[Rollback, ...]:
            failed.set()
            raise RuntimeError("s3cr3t")

        await trial.sharing.once()
        monkeypatch.setattr(trial.routing, "sync", fail)
        await failed.wait()
        monkeypatch.setattr(trial.routing, "sync", real)
        store.change_route(change("abort"))
        await trial.until(lambda: bool(trial.changed))
        assert not task.done()
        assert len(trial.told) == 1
        task.cancel()

    run(story)


def test_it_can_be_woken(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shadow.sidecar.canary.sharing.SYNC_S", 60)

    async def story() -> None:
        trial = Trial(store)
        await trial.sharing.once()
        task = asyncio.ensure_future(trial.sharing.run())
        store.change_route(change("abort"))
        trial.sharing.wake()
        await trial.until(lambda: bool(trial.changed))
        task.cancel()

    run(story)
