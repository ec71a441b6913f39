"""What sidecars on one store share: where routes stand, and the guards' evidence.

Every 0.4 s a sidecar gives its evidence to the store and reads what all of them
have. A store that fails holds up nothing: what is known goes on to hold, and evidence waits here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple, TypeVar, cast

from shadow.errors import ShadowError, UnfinishedError, where
from shadow.results.routes import (
    Buckets,
    EvidenceKey,
    Guard,
    RouteChange,
    RouteState,
    route_name,
)
from shadow.results.store import Store
from shadow.sidecar.canary.guards import Rollback
from shadow.sidecar.canary.routing import Routing, change_of
from shadow.sidecar.complaints import Complaints

SYNC_S: Final = 0.4
CHANGE_S: Final = 5.0
"""That an operator is kept waiting by the store; whoever asks gives up after 10 s."""

T = TypeVar("T")


class Shared(NamedTuple):
    """What the store says."""

    states: dict[str, RouteState]
    evidence: Mapping[tuple[str, Guard], Buckets]


class Sharing:
    """Keeps a `Routing` and a store at one.

    `rolled_back` is told of each rollback that this sidecar decides, `changed` of each state
    that is another than before, and who made it so.
    """

    def __init__(
        self,
        routing: Routing,
        *,
        store: Callable[[], Store | None],
        version: str,
        sidecar: str,
        rolled_back: Callable[[Rollback], None],
        changed: Callable[[RouteState], None],
        complain: Complaints,
    ) -> None:
        self._routing = routing
        self._store = store
        self._version = version
        self._sidecar = sidecar
        self._rolled_back = rolled_back
        self._changed = changed
        self._complain = complain
        self._thread = ThreadPoolExecutor(1, "sharing")
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._revisions: dict[str, int] = {}
        self._aborts: dict[str, RouteChange] = {}
        """Those that are in force here, and not in the store yet."""
        self.error = ""
        """Why the store could not be read or written the last time, or empty."""
        self.known = False
        """Whether the states were read at all: before that, Go answers."""
        self.synced = 0.0
        """When they were read last, on the monotonic clock."""

    async def run(self) -> None:
        """Do it again and again, until it is cancelled."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - routes must be followed all the same
                self._failed(error)
            try:
                async with asyncio.timeout(SYNC_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    def wake(self) -> None:
        """Do not wait for the next time."""
        self._wake.set()

    async def once(self) -> None:
        """Give and take once; what is taken in one round must not meet another round's."""
        async with self._turn:
            await self._once()

    async def _once(self) -> None:
        store, routing = self._store(), self._routing
        if store is None:
            return
        deltas: dict[EvidenceKey, tuple[int, int]] = {
            (self._version, route, guard): counts
            for (route, guard), counts in routing.take_deltas().items()
        }
        now = datetime.now(UTC)
        due = [
            change_of(rollback, at=now, version=self._version, sidecar=self._sidecar)
            for rollback in routing.pending
        ]
        aborts = tuple(self._aborts.values())
        give = partial(_give, store, deltas, dict(routing.states), due, aborts)
        try:
            await self._in_thread(give)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            routing.put_back()
            self._failed(error)
            return
        for change in aborts:
            self._aborts.pop(route_name(change.route), None)
        try:
            shared = await self._in_thread(partial(_read, store, self._version))
        except Exception as error:  # noqa: BLE001 - as above; the store has what was given
            self._failed(error)
            return
        self.error = ""
        self._take_over(shared)

    def _failed(self, error: Exception) -> None:
        text = error.message if isinstance(error, ShadowError) else where(error)
        self.error = f"routes are not shared: {text}"
        self._complain(f"{self.error}; what is known of them goes on to hold", "sharing")

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _take_over(self, shared: Shared) -> None:
        due = self._routing.sync(shared.states, shared.evidence)
        for route, state in shared.states.items():
            if self.known and state.revision != self._revisions.get(route, 0):
                self._changed(state)
            self._revisions[route] = state.revision
        self.known, self.synced = True, time.monotonic()
        for rollback in due:
            self._rolled_back(rollback)
        if due:
            self.wake()

    async def change(self, change: RouteChange) -> RouteState:
        """Make an operator's change and go by it at once. Raises ShadowError.

        An abort is in force here even where it does: it is entered as soon as the store takes it.
        """
        route, taken_back = route_name(change.route), None
        if change.action == "abort":
            self._routing.close(route)
            self._aborts.setdefault(route, change)
        elif change.action == "reset":  # a round that begins now would enter it behind the reset
            taken_back = self._aborts.pop(route, None)
        try:
            state = await self._entered(change)
        except BaseException:
            if taken_back is not None:
                self._aborts.setdefault(route, taken_back)
            raise
        if change.action == "abort":
            self._aborts.pop(route, None)
        await self.once()
        return state

    async def _entered(self, change: RouteChange) -> RouteState:
        """Enter a change in the store, which has some seconds for it. Raises ShadowError."""
        try:
            async with asyncio.timeout(CHANGE_S):
                return await self._in_thread(partial(self._there().change_route, change))
        except TimeoutError:
            why = f"the store did not answer within {CHANGE_S:g} s, and may take it yet"
            raise _not_entered(change, why, "ask again where routes stand") from None
        except UnfinishedError as error:
            raise _not_entered(change, error.message, error.hint) from None

    @property
    def pending(self) -> tuple[RouteChange, ...]:
        """Operators' aborts that the store has not taken yet."""
        return tuple(self._aborts.values())

    async def changes(self, limit: int) -> Sequence[RouteChange]:
        """Return the ledger, newest first. Raises ShadowError."""
        return await self._in_thread(partial(self._there().route_changes, limit))

    def _there(self) -> Store:
        store = self._store()
        if store is None:
            raise UnfinishedError("the store cannot be reached", "see the log of the sidecar")
        return store

    def close(self) -> None:
        """Wait for nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _not_entered(change: RouteChange, why: str, hint: str) -> UnfinishedError:
    if change.action == "abort":
        why += f"; this sidecar serves {change.route} from Go, and enters that when it can"
        hint = "others do not know: abort at the admin port of each, or use the kill switch"
    return UnfinishedError(why, hint)


def _give(
    store: Store,
    deltas: Mapping[EvidenceKey, tuple[int, int]],
    known: Mapping[str, RouteState],
    due: Sequence[RouteChange],
    aborts: Sequence[RouteChange],
) -> None:
    for change in aborts:  # whatever was done meanwhile: Go is the safe side
        store.change_route(change)
    for change in due:  # not where it was decided before a reset
        store.change_route(change, known=known)
    if deltas:
        store.add_evidence(deltas, known=known)


def _read(store: Store, version: str) -> Shared:
    states = store.route_states()  # first: evidence from before a reset must not come with it
    evidence = store.evidence_of(version)
    return Shared(states, cast("Mapping[tuple[str, Guard], Buckets]", evidence))
