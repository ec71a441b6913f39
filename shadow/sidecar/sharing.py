"""What sidecars on one store share: where routes stand, and the guards' evidence.

Every quarter of a second a sidecar gives its evidence to the store and reads what all of them
have. A store that fails holds up nothing: what is known goes on to hold, and evidence waits here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple, cast

from shadow.errors import ShadowError
from shadow.results.routes import Buckets, EvidenceKey, Guard, RouteChange, RouteState
from shadow.results.store import Store
from shadow.sidecar.guards import Rollback
from shadow.sidecar.routing import Routing, change_of

SYNC_S: Final = 0.25


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
        complain: Callable[[ShadowError], None],
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
        self._revisions: dict[str, int] = {}
        self.known = False
        """Whether the states were read at all: before that, Go answers."""
        self.synced = 0.0
        """When they were read last, on the monotonic clock."""

    async def run(self) -> None:
        """Do it again and again, until it is cancelled."""
        while True:
            await self.once()
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
        """Give and take once."""
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
        call = partial(_exchange, store, self._version, deltas, dict(routing.states), due)
        try:
            shared = await asyncio.get_running_loop().run_in_executor(self._thread, call)
        except ShadowError as error:
            routing.put_back()
            self._complain(error)
            return
        except BaseException:
            routing.put_back()
            raise
        self._take_over(shared)

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
        """Make an operator's change and go by it at once. Raises ShadowError."""
        store = self._store()
        if store is None:
            raise ShadowError("the store cannot be reached", "see the log of the sidecar")
        loop = asyncio.get_running_loop()
        state = await loop.run_in_executor(self._thread, store.change_route, change)
        await self.once()
        return state

    async def changes(self, limit: int) -> Sequence[RouteChange]:
        """Return the ledger, newest first. Raises ShadowError."""
        store = self._store()
        if store is None:
            return ()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, store.route_changes, limit)

    def close(self) -> None:
        """Wait for nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _exchange(
    store: Store,
    version: str,
    deltas: Mapping[EvidenceKey, tuple[int, int]],
    known: Mapping[str, RouteState],
    due: Sequence[RouteChange],
) -> Shared:
    for change in due:
        store.change_route(change, known=known)
    if deltas:
        store.add_evidence(deltas, known=known)
    states = store.route_states()  # first: evidence from before a reset must not outlive it
    evidence = cast("Mapping[tuple[str, Guard], Buckets]", store.evidence_of(version))
    return Shared(states, evidence)
