"""Gates that are asked again and again: judged off the event loop, one at a time, and kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from shadow.errors import ShadowError, UnfinishedError
from shadow.results.gates.verdicts import GateResult
from shadow.results.runs import Run
from shadow.results.store import Store
from shadow.rollout.gating import GatePlan, judge_stored
from shadow.sidecar.ports.gate import NotThere

KEPT: Final = 64
"""Verdicts that are kept; of a run that has ended one does not change."""


class PolledGates:
    """The gates of all phases, on the runs of a store. It is a `gate.Judge`.

    To judge a large run takes seconds and all of a core, so those who poll wait for each other
    and share what was found.
    """

    def __init__(self, store: Store, gates: Mapping[str, GatePlan]) -> None:
        self._store = store
        self._gates = gates
        self._found: OrderedDict[tuple[str, str], GateResult] = OrderedDict()
        self._turn = asyncio.Lock()

    async def __call__(self, phase: str, wanted: str) -> GateResult:
        """Say what the gate says. Raises NotThere, or ShadowError where it cannot be judged."""
        plan = self._gates.get(phase)
        if plan is None:
            known = f"known are {', '.join(self._gates)}"
            raise NotThere(ShadowError(f"no gate {phase}", known))
        async with self._turn:
            run = await asyncio.to_thread(self._load, wanted)
            key = (phase, run.info.id)
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
            result = await asyncio.to_thread(judge_stored, self._store, run, plan)
            if run.info.state == "finished":
                self._found[key] = result
                while len(self._found) > KEPT:
                    self._found.popitem(last=False)
        return result

    def _load(self, wanted: str) -> Run:
        try:
            return self._store.load(wanted)
        except UnfinishedError:
            raise
        except ShadowError as error:
            raise NotThere(error) from None
