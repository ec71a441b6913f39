"""GoReplay files: raw HTTP messages between lines of three monkeys.

A record is a line `TYPE ID TIMESTAMP [LATENCY]` and the message: type 1 is a request, 2 its
answer in production, 3 the answer to a replay, which is not read. Times are in nanoseconds.
The format has no document; this follows what GoReplay's own reader and writer do, old and new.
"""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from operator import itemgetter

import msgspec

from shadow.captures.formats.http1 import (
    parse_request,
    parse_response,
    render_request,
    render_response,
)
from shadow.captures.records import Broken, Fidelity, Record, UnwritableError, record_of
from shadow.captures.streams import Chunks, Damage, split_records
from shadow.captures.syntax import MalformedError, check_id
from shadow.model import Exchange

SEPARATOR = "\n🐵🙈🙉\n".encode()
MAX_WAITING = 10_000
"""How many records may wait for another one."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""How many bytes these may hold."""

_HEADER = re.compile(rb"([123]) (\S+) ([0-9]{1,19})(?: (-?[0-9]{1,19}))?(?: .*)?\r?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_NS = 9 * 10**18  # in the year 2255; times have 19 digits
_LONGEST_DURATION_NS = 10**15  # twelve days; as a time of day it would be in January 1970


class GorFormat:
    """Files of `gor --output-file`, with or without recorded responses."""

    name = "GoReplay"
    suffix = ".gor"
    fidelity = Fidelity()
    start = b""
    between = b""
    end = b""

    def sniff(self, head: bytes) -> bool:
        """Look for a separator, or a record header on the first line."""
        return SEPARATOR in head or _HEADER.fullmatch(head.split(b"\n", 1)[0]) is not None

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield one exchange a request, in the order of the requests.

        A request waits for its answer while at most `MAX_WAITING` records and
        `MAX_WAITING_BYTES` wait, then goes out without one; an answer whose request does not
        come is a `Broken`.
        """
        yield from read_chunks([(stream, path)])

    def encode(self, exchange: Exchange) -> bytes:
        """Return the records of an exchange: the request, and the answer where there is one.

        The id is a hash of the exchange's, for GoReplay wants hexadecimal digits. Raises
        UnwritableError for a body that was cut, or of which the encoding was undone.
        """
        identity = blake2b(exchange.id.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        sent_ns = 0
        if exchange.ts is not None:
            sent_ns = max(0, (exchange.ts - _EPOCH) // timedelta(microseconds=1) * 1000)
        latency_ms = exchange.latency_ms or 0.0
        if max(sent_ns, latency_ms * 1e6) > _LAST_NS:
            raise UnwritableError("a time or a latency is too long")
        record = f"1 {identity} {sent_ns} 0\n".encode()
        record += render_request(exchange.request) + SEPARATOR
        if exchange.response is not None:
            latency_ns = round(latency_ms * 1e6)
            record += f"2 {identity} {sent_ns + latency_ns} 0\n".encode()
            record += render_response(exchange.response, exchange.request.method) + SEPARATOR
        if record.count(SEPARATOR) != 1 + (exchange.response is not None):
            raise UnwritableError("a body holds the separator of the format")
        return record


def read_chunks(chunks: Sequence[tuple[Chunks, str]]) -> Iterator[Record]:
    """Yield the exchanges of files of one recording, in the order of their times.

    A request in one file may have its answer in another. Otherwise as `GorFormat.read`.
    """
    window = Window()
    for _, found in heapq.merge(*(_timed(*chunk) for chunk in chunks), key=itemgetter(0)):
        if isinstance(found, Broken):
            window.put_broken(found)
        else:
            window.put(found)
        yield from window.ready()
    yield from window.rest()


def _timed(stream: Chunks, path: str) -> Iterator[tuple[int, Payload | Broken]]:
    """Yield the records of a file with their times; what is broken has that of the one before."""
    last = 0
    for position, record in split_records(stream, SEPARATOR):
        if isinstance(record, Damage):
            yield last, Broken(path=path, line=position, reason=record.reason)
        elif record and not record.isspace():
            try:
                payload = _payload(position, record, path)
            except MalformedError as error:
                yield last, Broken(path=path, line=position, reason=str(error))
                continue
            # An old answer has its duration where others have a time.
            last = max(last, payload.time_ns)
            yield last, payload


class Payload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A request (type 1), or an answer to it (type 2), as one raw message."""

    position: int
    path: str
    type: bytes
    id: str
    time_ns: int
    latency_ns: int | None
    message: bytes


@dataclass(slots=True, kw_only=True)
class _Place:
    """A place in the order of requests, and what stands there so far."""

    position: int
    path: str
    record: Exchange | Broken
    asked: Payload | None = None
    """The request while its answer is waited for."""
    size: int = 0


class Window:
    """Requests in file order, and answers that came before their request."""

    def __init__(self) -> None:
        self._order: deque[_Place] = deque()
        self._unanswered: dict[str, deque[_Place]] = {}
        self._early: dict[str, Payload] = {}
        self._bytes = 0

    def put(self, payload: Payload) -> None:
        """Take a request or an answer; of what is none, that it is broken."""
        try:
            if payload.type == b"1":
                self._put_request(payload)
            elif payload.type == b"2":
                self._put_response(payload)
        except MalformedError as error:
            self._put_malformed(payload, error)

    def put_broken(self, record: Broken) -> None:
        """Take what cannot be read, in its place."""
        self._order.append(_Place(position=record.line, path=record.path, record=record))

    def _put_malformed(self, payload: Payload, error: MalformedError) -> None:
        self.put_broken(_broken(payload, str(error)))

    def ready(self) -> Iterator[Record]:
        """Yield what has nothing to wait for, and what has waited too long."""
        while True:
            if self._order and self._order[0].asked is None:
                yield self._release()
            elif self._is_overfull():
                yield self._release_oldest()
            else:
                return

    def rest(self) -> Iterator[Record]:
        """Yield everything, at the end of the file."""
        while self._order or self._early:
            yield self._release_oldest()

    def _put_request(self, payload: Payload) -> None:
        exchange = Exchange(
            id=payload.id,
            request=parse_request(payload.message),
            ts=_EPOCH + timedelta(microseconds=payload.time_ns // 1000),
        )
        size = len(payload.message)
        asked = msgspec.structs.replace(payload, message=b"")
        place = _Place(
            position=payload.position, path=payload.path, record=exchange, asked=asked, size=size
        )
        self._order.append(place)
        self._unanswered.setdefault(payload.id, deque()).append(place)
        self._bytes += size
        if early := self._early.pop(payload.id, None):
            self._bytes -= len(early.message)
            self._answer(place, early)

    def _put_response(self, payload: Payload) -> None:
        if places := self._unanswered.get(payload.id):
            self._answer(places[0], payload)
        elif payload.id in self._early:
            raise MalformedError("it is a second response without its request")
        else:
            self._early[payload.id] = payload
            self._bytes += len(payload.message)

    def _answer(self, place: _Place, payload: Payload) -> None:
        exchange, asked = place.record, place.asked
        assert isinstance(exchange, Exchange) and asked is not None  # noqa: PT018  # one fact: it waits
        try:
            response = parse_response(payload.message, exchange.request.method)
        except MalformedError as error:
            self._stop_waiting(place)
            self._put_malformed(payload, error)
            return
        if response is None:  # 100 Continue in a record of its own: the answer is to come
            return
        self._stop_waiting(place)
        latency_ms = _latency_ms(asked, payload)
        place.record = msgspec.structs.replace(exchange, response=response, latency_ms=latency_ms)
        place.size += len(payload.message)
        self._bytes += len(payload.message)

    def _stop_waiting(self, place: _Place) -> None:
        if place.asked is None:
            return
        places = self._unanswered[place.asked.id]
        places.popleft()  # the oldest of its id, both where it is answered and where it is released
        if not places:
            del self._unanswered[place.asked.id]
        place.asked = None

    def _is_overfull(self) -> bool:
        return len(self._order) + len(self._early) > MAX_WAITING or self._bytes > MAX_WAITING_BYTES

    def _release_oldest(self) -> Record:
        early = next(iter(self._early.values()), None)
        if early and (not self._order or early.position < self._order[0].position):
            del self._early[early.id]
            self._bytes -= len(early.message)
            return _broken(early, "it is a response without its request")
        return self._release()

    def _release(self) -> Record:
        place = self._order.popleft()
        self._stop_waiting(place)
        self._bytes -= place.size
        if isinstance(place.record, Broken):
            return place.record
        return record_of(place.record, place.path, place.position)


def _broken(payload: Payload, reason: str) -> Broken:
    return Broken(path=payload.path, line=payload.position, reason=reason)


def _payload(position: int, record: bytes, path: str) -> Payload:
    # A file cut at its front begins with a separator that has lost its first line feed.
    line, _, message = record.removeprefix(SEPARATOR[1:]).partition(b"\n")
    match = _HEADER.fullmatch(line)
    if not match:
        raise MalformedError("its first line is not TYPE ID TIMESTAMP")
    identity = match[2].decode("latin-1")
    check_id(identity)
    return Payload(
        position=position,
        path=path,
        type=match[1],
        id=identity,
        time_ns=int(match[3]),
        latency_ns=int(match[4]) if match[4] else None,
        message=message,
    )


def _latency_ms(asked: Payload, answered: Payload) -> float | None:
    """Time from the start of the request to the end of the answer: the fields changed meaning."""
    if answered.latency_ns is None:
        is_duration = answered.time_ns < _LONGEST_DURATION_NS
        latency_ns = answered.time_ns - (0 if is_duration else asked.time_ns)
    elif asked.latency_ns is None:
        latency_ns = answered.latency_ns
    else:  # where the request has one too, each is the duration of its own message
        latency_ns = answered.time_ns + answered.latency_ns - asked.time_ns
    return latency_ns / 1e6 if latency_ns >= 0 else None
