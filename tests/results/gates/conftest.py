"""Summaries made by hand: what a gate reads of them is set, the rest is that of an empty run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest

from shadow.results.bounds import rate_bound
from shadow.results.failures import Errors
from shadow.results.gates.grounds import Grounds
from shadow.results.runs import Run, RunInfo, Side
from shadow.results.speed.verdicts import Jitter, Ratio, Shift, Span, Speed
from shadow.results.summary import EndpointSummary, Percentiles, SideLatency, Summary, summarise
from shadow.results.tally import Tally

NO_LATENCY = SideLatency(service=Percentiles(), response=Percentiles())
SPAN = Span(value=1000, low=900, high=1100)
INFO = RunInfo(
    id="20261122-130501-3f2a",
    command="replay",
    state="finished",
    baseline=Side(name="go", url="http://127.0.0.1:8080"),
    candidate=Side(name="rust", url="http://127.0.0.1:8081"),
)

MakeGrounds = Callable[..., Grounds]
MakeEndpoint = Callable[..., EndpointSummary]
MakeSpeed = Callable[..., Speed]


@pytest.fixture(scope="session")
def make_speed() -> MakeSpeed:
    """The speed of an endpoint: ratios by percentile as (value, low, high)."""

    def make(
        *,
        pairs: int = 1000,
        apart_us: int = 500,
        jitter: tuple[float, float, float] | None = None,
        **ratios: tuple[float, float, float],
    ) -> Speed:
        shifts = tuple(
            Shift(
                percentile=int(name[1:]),
                baseline=1000,
                candidate=1000 + apart_us,
                difference=Span(value=apart_us, low=apart_us, high=apart_us),
                ratio=ratio_of(given),
            )
            for name, given in ratios.items()
        )
        tail = None
        if jitter is not None:
            longer = Span(value=1000 + apart_us, low=0, high=9000)
            tail = Jitter(baseline=SPAN, candidate=longer, ratio=ratio_of(jitter))
        return Speed(verdict="equivalent", pairs=pairs, sessions=200, shifts=shifts, jitter=tail)

    return make


def ratio_of(given: tuple[float, float, float]) -> Ratio:
    return Ratio(value=given[0], low=given[1], high=given[2])


@pytest.fixture(scope="session")
def make_endpoint() -> MakeEndpoint:
    """An endpoint of so many exchanges, some divergent, some hollow."""

    def make(
        exchanges: int = 1000,
        divergent: int = 0,
        *,
        name: str = "GET /a",
        hollow: int = 0,
        speed: Speed | None = None,
        errors: Errors | None = None,
    ) -> EndpointSummary:
        return EndpointSummary(
            endpoint=name,
            exchanges=exchanges + hollow,
            compared=exchanges + hollow,
            match=0,
            equivalent=exchanges + hollow - divergent,
            divergent=divergent,
            incomparable=0,
            skipped=0,
            hollow=hollow,
            baseline=NO_LATENCY,
            candidate=NO_LATENCY,
            rate=rate_bound(divergent, exchanges),
            speed=speed,
            errors=errors,
        )

    return make


@pytest.fixture(scope="session")
def make_grounds() -> MakeGrounds:
    """Grounds of a finished run with these endpoints; other arguments change either struct."""
    empty = summarise(Run(info=INFO, tally=Tally()))

    def make(endpoints: Sequence[EndpointSummary] = (), **changes: object) -> Grounds:
        own = {name: changes.pop(name) for name in list(changes) if name in Grounds.__slots__}
        rates = [each.rate for each in endpoints if each.rate is not None]
        counted: dict[str, object] = {
            "endpoints": tuple(endpoints),
            "read": sum(each.exchanges for each in endpoints),
            "equivalent": sum(each.equivalent for each in endpoints),
            "divergent": sum(each.divergent for each in endpoints),
            "hollow": sum(each.hollow for each in endpoints),
            "rate": rate_bound(
                sum(each.divergent for each in rates), sum(each.exchanges for each in rates)
            ),
        }
        summary: Summary = msgspec.structs.replace(empty, **{**counted, **changes})
        return Grounds(summary=summary, **own)  # type: ignore[arg-type]  # a test's own

    return make
