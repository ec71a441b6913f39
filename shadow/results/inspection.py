"""What a capture holds, counted as it streams by: bounded, whatever is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from shadow.captures.records import Broken, Fidelity, Record, Unsupported
from shadow.endpoints import Endpoints
from shadow.masking import NAME_BYTES, NOTHING_MORE, Hidden, Masker, cut
from shadow.model import Exchange, Request, Response, header, readable
from shadow.results.latency import Latency, minimum_count
from shadow.results.speed.pairs import FEWEST_CLUSTERS
from shadow.results.summary import Percentiles, percentiles
from shadow.results.tally import MAX_ENDPOINTS, OTHER
from shadow.sending.safety import Safety
from shadow.sessions.forecast import Forecast, Forecaster

MAX_DISTINCT: Final = 500_000
"""Sessions, and ids, that are told apart; some 40 MB each. Beyond, they are a lower bound."""
MAX_NAMES: Final = 200
"""Methods, statuses, encodings and reasons that are told apart."""
MAX_WINDOWS: Final = 4_096
"""Windows of time that the rate is counted in; where there are more, they become twice as long."""
BROKEN_KEPT: Final = 5

Fitness = Literal["yes", "partly", "no"]
Job = Literal["replay", "diff", "noise", "speed", "sessions"]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its format, and what that keeps at its best."""

    path: str
    format: str
    fidelity: Fidelity


class EndpointInspection(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint; times are the recorded ones of the baseline, in µs."""

    endpoint: str
    exchanges: int
    safe: int
    """Those that are sent without --allow-writes."""
    failed: int
    """Recorded with no answer, or with a 5xx."""
    time_us: int
    """All recorded service time together."""
    time_share: float | None
    """Of the time of all endpoints; None where no time is recorded."""
    latency: Percentiles
    request_bytes: int | None
    """Of the median request body; None where there are too few to say."""
    response_bytes: int | None


class Bodies(msgspec.Struct, frozen=True, kw_only=True):
    """The bodies of one direction."""

    bytes: int
    """All of them together."""
    p50: int | None
    p90: int | None
    p99: int | None
    largest: int
    empty: int
    truncated: int
    """Cut when they were recorded."""
    decoded: int
    """The recorder had undone the content-encoding: not the bytes of the wire."""
    encodings: dict[str, int]
    """Exchanges by content-encoding, where there is one."""


class Sessions(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests belong together."""

    count: int
    more: bool
    """There are more than could be told apart."""
    without: int
    """Exchanges that have none."""
    longest: int
    """Exchanges of the longest one."""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """When the exchanges were recorded."""

    timed: int
    """Exchanges that have a time."""
    first: datetime | None
    last: datetime | None
    span_s: float
    rate: float | None
    """Exchanges a second, over the whole span."""
    peak: float | None
    """Exchanges a second in the busiest window."""
    window_s: int


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the capture is fit for one job, and why, or what is missing."""

    job: Job
    fit: Fitness
    why: str


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a capture holds."""

    sources: tuple[Source, ...]
    digest: str
    """As runs of it have it; empty for a pipe."""
    exchanges: int
    broken: int
    unsupported: int
    broken_reasons: tuple[str, ...]
    """File, line and reason of the first ones."""
    unsupported_reasons: dict[str, int]
    repeated_ids: int
    """Exchanges whose id another one had before."""
    methods: dict[str, int]
    statuses: dict[str, int]
    """Recorded answers by status, `none` without one, and the kind where there was no answer."""
    safe: int
    writes: int
    requests: Bodies
    responses: Bodies
    sessions: Sessions
    timeline: Timeline
    timed: int
    """Exchanges with a recorded latency."""
    time_us: int
    endpoints: tuple[EndpointInspection, ...]
    """Those that spend the most service time first: the candidates for a rewrite."""
    fit: tuple[Fit, ...]
    hollow: tuple[Forecast, ...] = ()
    """Where a replay may find that recorded successes are no longer; of the first exchanges."""


class Inspector:
    """Counts records as they come; `result` says what they were."""

    def __init__(self, endpoints: Endpoints, safety: Safety, hidden: Hidden = NOTHING_MORE) -> None:
        self._endpoints, self._safety = endpoints, safety
        self._masker = Masker(hidden=hidden)
        self._exchanges = self._safe = self._whole = self._timed = self._time_us = 0
        self._broken = 0
        self._first_broken: list[str] = []
        self._unsupported: Counter[str] = Counter()
        self._methods: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._ids, self._sessions = _Distinct(), _Distinct()
        self._without_session = 0
        self._requests, self._responses = _Bodies(), _Bodies()
        self._timeline = _Timeline()
        self._by_endpoint: dict[str, _Endpoint] = {}
        self._forecaster = Forecaster(self._name, safety.is_safe)

    def add(self, record: Record) -> None:
        """Count one record."""
        if isinstance(record, Broken):
            self._broken += 1
            if len(self._first_broken) < BROKEN_KEPT:
                self._first_broken.append(f"{record.path}:{record.line}: {record.reason}")
        elif isinstance(record, Unsupported):
            _count(self._unsupported, cut(record.reason, NAME_BYTES))
        else:
            self._exchange(record)

    def _exchange(self, exchange: Exchange) -> None:
        request = exchange.request
        safe = self._safety.is_safe(request)
        self._exchanges += 1
        self._safe += safe
        self._whole += not request.truncated
        _count(self._methods, cut(readable(request.method), 50))
        _count(self._statuses, _status(exchange))
        self._ids.add(exchange.id)
        if exchange.session is None:
            self._without_session += 1
        else:
            self._sessions.add(exchange.session)
        self._requests.add(request)
        if exchange.response is not None:
            self._responses.add(exchange.response)
        self._timeline.add(exchange.ts)
        self._forecaster.see(exchange)
        endpoint = self._endpoint(request)
        endpoint.add(exchange, safe=safe)
        if exchange.latency_ms is not None:
            self._timed += 1
            self._time_us += _microseconds(exchange.latency_ms)

    def _name(self, request: Request) -> str:
        return self._masker.mask_endpoint(self._endpoints.name(request.method, request.target))

    def _endpoint(self, request: Request) -> _Endpoint:
        name = self._name(request)
        found = self._by_endpoint.get(name)
        if found is None:
            if len(self._by_endpoint) >= MAX_ENDPOINTS:
                name = OTHER
            found = self._by_endpoint.setdefault(name, _Endpoint())
        return found

    def result(self, sources: Iterable[Source], digest: str) -> Inspection:
        """Sum up what was counted."""
        requests, responses = self._requests.result(), self._responses.result()
        timeline = self._timeline.result()
        sessions = Sessions(
            count=len(self._sessions.counts),
            more=self._sessions.more,
            without=self._without_session,
            longest=max(self._sessions.counts.values(), default=0),
        )
        endpoints = [each.result(name, self._time_us) for name, each in self._by_endpoint.items()]
        endpoints.sort(key=lambda each: (-each.time_us, -each.exchanges, each.endpoint))
        return Inspection(
            sources=tuple(sources),
            digest=digest,
            exchanges=self._exchanges,
            broken=self._broken,
            unsupported=self._unsupported.total(),
            broken_reasons=tuple(self._first_broken),
            unsupported_reasons=dict(self._unsupported.most_common()),
            repeated_ids=self._ids.repeated,
            methods=dict(self._methods.most_common()),
            statuses=dict(sorted(self._statuses.items())),
            safe=self._safe,
            writes=self._exchanges - self._safe,
            requests=requests,
            responses=responses,
            sessions=sessions,
            timeline=timeline,
            timed=self._timed,
            time_us=self._time_us,
            endpoints=tuple(endpoints),
            fit=(
                _fit_for_replay(self._exchanges, self._whole, self._safe),
                _fit_for_diff(self._exchanges, self._responses.count, responses, self._ids),
                _fit_for_noise(self._exchanges, self._safe),
                _fit_for_speed(self._exchanges, self._timed, timeline, endpoints),
                _fit_for_sessions(self._exchanges, sessions),
            ),
            hollow=self._forecaster.forecasts(),
        )


# What is counted


class _Distinct:
    """How often each of many texts came; they are kept as Python's hash of them, 64 bits."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.more = False
        self.repeated = 0

    def add(self, text: str) -> None:
        key = hash(text)
        count = self.counts.get(key, 0)
        if count:
            self.repeated += 1
        elif len(self.counts) >= MAX_DISTINCT:
            self.more = True
            return
        self.counts[key] = count + 1


def _count(counts: Counter[str], name: str) -> None:
    counts[name if name in counts or len(counts) < MAX_NAMES else OTHER] += 1


def _status(exchange: Exchange) -> str:
    if exchange.response is not None:
        return str(exchange.response.status)
    return "none" if exchange.error is None else exchange.error.kind


def _microseconds(milliseconds: float) -> int:
    return round(min(milliseconds, 3_600_000.0) * 1000)


class _Bodies:
    """Sizes go into the buckets of a latency: bytes instead of microseconds."""

    def __init__(self) -> None:
        self.count = 0
        self._sizes = Latency()
        self._bytes = self._largest = self._empty = self._truncated = self._decoded = 0
        self._encodings: Counter[str] = Counter()

    def add(self, message: Request | Response) -> None:
        size = len(message.body)
        self.count += 1
        self._bytes += size
        self._largest = max(self._largest, size)
        self._empty += not size
        self._truncated += message.truncated
        self._decoded += message.decoded
        if size:
            self._sizes.record(size)
        encoding = header(message.headers, "content-encoding")
        if encoding is not None and encoding.strip().lower() not in ("", "identity"):
            _count(self._encodings, cut(readable(encoding.strip().lower()), 50))

    def result(self) -> Bodies:
        p50, p90, p99 = self._sizes.percentiles((50, 90, 99))
        return Bodies(
            bytes=self._bytes,
            p50=p50,
            p90=p90,
            p99=p99,
            largest=self._largest,
            empty=self._empty,
            truncated=self._truncated,
            decoded=self._decoded,
            encodings=dict(self._encodings.most_common()),
        )


class _Timeline:
    """Exchanges by window of time; the windows become longer where there are too many."""

    def __init__(self) -> None:
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._timed = 0
        self._width = 1
        self._windows: Counter[int] = Counter()

    def add(self, moment: datetime | None) -> None:
        if moment is None:
            return
        self._timed += 1
        self._first = moment if self._first is None else min(self._first, moment)
        self._last = moment if self._last is None else max(self._last, moment)
        self._windows[int(moment.timestamp()) // self._width] += 1
        while len(self._windows) > MAX_WINDOWS:
            self._width *= 2
            joined: Counter[int] = Counter()
            for window, count in self._windows.items():
                joined[window // 2] += count
            self._windows = joined

    def result(self) -> Timeline:
        first, last, span = self._first, self._last, 0.0
        if first is not None and last is not None:
            span = (last - first).total_seconds()
        busiest = max(self._windows.values(), default=0)
        return Timeline(
            timed=self._timed,
            first=None if first is None else first.astimezone(UTC),
            last=None if last is None else last.astimezone(UTC),
            span_s=span,
            rate=self._timed / span if span > 0 else None,
            peak=busiest / self._width if busiest else None,
            window_s=self._width,
        )


class _Endpoint:
    def __init__(self) -> None:
        self._exchanges = self._safe = self._failed = self._time_us = 0
        self._latency, self._sent, self._received = Latency(), Latency(), Latency()

    def add(self, exchange: Exchange, *, safe: bool) -> None:
        self._exchanges += 1
        self._safe += safe
        response = exchange.response
        self._failed += exchange.error is not None or (
            response is not None and response.status >= 500
        )
        self._sent.record(len(exchange.request.body))
        if response is not None:
            self._received.record(len(response.body))
        if exchange.latency_ms is not None:
            taken = _microseconds(exchange.latency_ms)
            self._time_us += taken
            self._latency.record(taken)

    def result(self, name: str, all_us: int) -> EndpointInspection:
        return EndpointInspection(
            endpoint=name,
            exchanges=self._exchanges,
            safe=self._safe,
            failed=self._failed,
            time_us=self._time_us,
            time_share=self._time_us / all_us if all_us else None,
            latency=percentiles(self._latency),
            request_bytes=self._sent.percentiles((50,))[0],
            response_bytes=self._received.percentiles((50,))[0],
        )


# What it is fit for


def _fit(job: Job, good: int, all_of: int, why: str, *, flawed: bool = False) -> Fit:
    whole = good == all_of and not flawed
    fit: Fitness = "no" if not good else "yes" if whole else "partly"
    return Fit(job=job, fit=fit, why=why)


def _fit_for_replay(exchanges: int, whole: int, safe: int) -> Fit:
    why = f"reads {safe:,}, writes {exchanges - safe:,} (sent with --allow-writes alone)"
    if whole < exchanges:
        why += f"; {exchanges - whole:,} requests were cut and cannot be sent"
    return _fit("replay", whole, exchanges, why)


def _fit_for_diff(exchanges: int, answered: int, responses: Bodies, ids: _Distinct) -> Fit:
    """`shadow diff`, and `replay --go recorded`: answers, whole, and an id each."""
    good = answered - responses.truncated
    why = f"{answered:,} of {exchanges:,} have a recorded answer"
    if responses.truncated:
        why += f", {responses.truncated:,} of them cut"
    if ids.repeated:
        why += f"; {ids.repeated:,} ids came before: use --join request"
    if responses.decoded:
        why += f"; of {responses.decoded:,} the body is not the wire's: encodings are not compared"
    flawed = bool(ids.repeated or responses.decoded)
    return _fit("diff", good, exchanges, why, flawed=flawed)


def _fit_for_noise(exchanges: int, safe: int) -> Fit:
    return Fit(
        job="noise",
        fit="yes" if safe else "no",
        why=f"{safe:,} of {exchanges:,} can be asked twice",
    )


def _fit_for_speed(
    exchanges: int, timed: int, timeline: Timeline, endpoints: Iterable[EndpointInspection]
) -> Fit:
    """A verdict on speed needs exchanges enough; --speed needs their times."""
    found = list(endpoints)
    enough = [each for each in found if each.exchanges >= minimum_count(99)]
    few = [each for each in found if each.exchanges < FEWEST_CLUSTERS]
    why = (
        f"{len(enough):,} endpoints have enough exchanges for a p99 ({minimum_count(99)}),"
        f" {len(few):,} too few for a verdict ({FEWEST_CLUSTERS})"
    )
    why += f"; {timed:,} of {exchanges:,} have a recorded latency"
    if timeline.timed < exchanges:
        why += f"; {exchanges - timeline.timed:,} have no time: pace them with --rate"
    judged = [each for each in found if each.exchanges >= FEWEST_CLUSTERS]
    fit: Fitness = "yes" if enough and not few and timeline.timed == exchanges else "partly"
    return Fit(job="speed", fit=fit if judged else "no", why=why)


def _fit_for_sessions(exchanges: int, sessions: Sessions) -> Fit:
    more = "more than " if sessions.more else ""
    why = f"sessions {more}{sessions.count:,}, exchanges without one {sessions.without:,}"
    if sessions.count and sessions.count < FEWEST_CLUSTERS:
        why += f"; a verdict on speed wants {FEWEST_CLUSTERS}"
    return _fit("sessions", exchanges - sessions.without, exchanges, why)
