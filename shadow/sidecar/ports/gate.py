"""What a gate says, as a page of the read-only port: `GET /-/gate?phase=NAME&run=RUN`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qs

import msgspec

from shadow.errors import ShadowError, UnfinishedError
from shadow.results.gates.verdicts import GateResult, GateVerdict
from shadow.sidecar.ports.status import Page, Refused, Reply, Scope

VALUES: Final[Mapping[GateVerdict, int]] = {"pass": 1, "fail": 0, "inconclusive": -1}
"""A verdict as the number that a metric is."""
LATEST: Final = "latest"

Judge = Callable[[str, str], Awaitable[GateResult]]
"""Takes the names of a phase and of a run. Raises NotThere, or ShadowError."""


class NotThere(Exception):  # noqa: N818 - what is asked for, no failure
    """There is no such phase or run."""

    def __init__(self, error: ShadowError) -> None:
        super().__init__(error.message)
        self.error = error


def gate_page(judge: Judge) -> Page:
    """Return the page; `judge` says what a gate says."""

    async def page(scope: Scope) -> Reply:
        phase, run = _asked(scope["query_string"])
        try:
            result = await judge(phase, run)
        except NotThere as missing:
            raise Refused(404, missing.error.message, missing.error.hint) from None
        except UnfinishedError as error:
            raise Refused(503, error.message, error.hint) from None
        except ShadowError as error:
            raise Refused(500, error.message, error.hint) from None
        said = {
            "v": 1,
            "phase": result.phase,
            "run_id": result.run_id,
            "verdict": result.verdict,
            "value": VALUES[result.verdict],
            "criteria": result.criteria,
        }
        return Reply(body=msgspec.json.encode(said))

    return page


def _asked(query: bytes) -> tuple[str, str]:
    """Read phase and run from a query. Raises Refused."""
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    unknown = sorted(given.keys() - {"phase", "run"})
    if unknown:
        raise Refused(400, f"unknown parameter {unknown[0]}", "there are phase and run")
    twice = sorted(name for name, values in given.items() if len(values) > 1)
    if twice:
        raise Refused(400, f"{twice[0]} is given twice", "give it once")
    phase = given.get("phase", [""])[0]
    if not phase:
        raise Refused(400, "phase is missing", "/-/gate?phase=canary")
    return phase, given.get("run", [LATEST])[0] or LATEST
