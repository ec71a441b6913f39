"""What writes left behind on both sides, asked at the end and judged as an answer is."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Any, Final, Literal, get_args

import msgspec
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from shadow.errors import UnfinishedError
from shadow.model import STATE, Answer, Exchange, Observation, Request, Response, SideName
from shadow.sending.service import Service
from shadow.sessions.live import Correlator

MAX_PROBED: Final = 20_000
"""Sessions that are asked about: as many as are known at once."""
MAX_ROWS: Final = 10_000
"""Of a probe by SQL; what comes later is left out on both sides, which is told by a last row."""
SQL_S: Final = 30
"""Seconds that one may take, connecting among them."""
_OWN_S: Final = 1
"""So much later the database gives up by itself, where it can be told."""
_VALUE: Final = re.compile(r"\{([A-Za-z0-9][A-Za-z0-9_.-]*)\}")


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One question about the state: a request that only reads, or a SELECT."""

    name: str
    after: Literal["session", "run"] = "session"
    request: Request | None = None
    sql: str | None = None

    @property
    def endpoint(self) -> str:
        """What it goes by in findings."""
        return f"{STATE}{self.name}"

    def exchange(self, session: str | None, written: str) -> Exchange:
        """What it is kept as: named after the last write, whose id `written` is."""
        target = self.request.target if self.request is not None else "sql"
        return Exchange(
            id=f"{written}+{self.name}",
            session=session,
            request=Request(method="STATE", target=target),
        )


class Probes(msgspec.Struct, frozen=True, kw_only=True):
    """Every probe, and the databases that those by SQL read: the baseline's, the candidate's."""

    probes: tuple[Probe, ...] = ()
    databases: tuple[str, str] = ("", "")


class Prober:
    """Asks both sides what is there, with what each gave in the session."""

    def __init__(
        self, plan: Probes, services: tuple[Service, Service], correlator: Correlator | None
    ) -> None:
        self.probes = plan.probes
        self._databases = plan.databases
        self._services = services
        self._correlator = correlator

    async def take(self, probe: Probe, session: str | None) -> tuple[Observation, Observation]:
        """What both sides have. Raises LackingValueError, UnfinishedError, `rewrite.Unsendable`."""
        if probe.sql is not None:
            first, second = (
                _selected(url, probe, session or "", side)
                for url, side in zip(self._databases, get_args(SideName), strict=True)
            )
        else:
            requests = self.requests(probe, session)
            first, second = (
                asked(service, each) for service, each in zip(self._services, requests, strict=True)
            )
        baseline, candidate = await asyncio.gather(first, second)
        return baseline, candidate

    def requests(self, probe: Probe, session: str | None) -> tuple[Request, Request]:
        """What each side is asked. Raises LackingValueError."""
        assert probe.request is not None
        values = ({}, {}) if self._correlator is None else self._correlator.latest(session)
        mine, other = (_filled(probe.request, each) for each in values)
        return mine, other


class LackingValueError(Exception):
    """A side gave no value by the rule that a probe's header names."""


def _filled(request: Request, values: Mapping[str, str]) -> Request:
    """The request with a side's values in its headers. Raises LackingValueError."""

    def one(match: re.Match[str]) -> str:
        value = values.get(match[1])
        if value is None:
            raise LackingValueError(match[1])
        return value

    headers = tuple((name, _VALUE.sub(one, value)) for name, value in request.headers)
    return msgspec.structs.replace(request, headers=headers)


async def asked(service: Service, request: Request) -> Observation:
    """What a side answers to a probe, without a time: it is no measurement of the service.

    Raises `rewrite.Unsendable`.
    """
    found = await service.send(service.render(request), method=request.method, safe=True)
    return msgspec.structs.replace(found, timing=None)


async def _selected(url: str, probe: Probe, session: str, side: SideName) -> Observation:
    """What a SELECT gives on a side, as an answer of JSON: a list of rows.

    In a thread of its own that nobody waits for: a database that hangs ends no call of a driver,
    and the threads of a pool are joined at the end. Raises UnfinishedError, which does not show
    the URL.
    """
    assert probe.sql is not None
    answer: Future[Observation] = Future()
    answer.set_running_or_notify_cancel()  # whoever gives up waiting leaves it as it is
    Thread(target=_answer, args=(answer, url, probe.sql, session), daemon=True).start()
    try:
        async with asyncio.timeout(SQL_S):
            return await asyncio.wrap_future(answer)
    except TimeoutError:
        raise UnfinishedError(
            f"state: {probe.name}: targets.{side}.database gave no answer in {SQL_S} s",
            "see what the database waits for, or ask for less by sql under [[state]]",
        ) from None


def _answer(answer: Future[Observation], url: str, sql: str, session: str) -> None:
    try:
        answer.set_result(_select(url, sql, session))
    except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
        answer.set_exception(error)


def _select(url: str, sql: str, session: str) -> Observation:
    try:
        engine = create_engine(url, connect_args=_limits(url))
        try:
            with engine.connect() as connection, connection.begin() as transaction:
                if engine.dialect.name == "postgresql":
                    connection.execute(text("SET TRANSACTION READ ONLY"))
                    limit_ms = round((SQL_S + _OWN_S) * 1000)
                    connection.execute(text(f"SET LOCAL statement_timeout = {limit_ms}"))
                given = {"session": session} if ":session" in sql else {}
                found = connection.execute(text(sql), given)
                names = list(found.keys())
                rows = [
                    dict(zip(names, map(_cell, row), strict=True))
                    for row in found.fetchmany(MAX_ROWS + 1)
                ]
                transaction.rollback()
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise UnfinishedError(
            f"state: the database cannot be asked: {type(error).__name__}",
            "check database under [targets.*] and sql under [[state]]; a driver may be missing",
        ) from None
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:  # a row as JSON has one of them: the others would not be compared
        raise UnfinishedError(
            f"state: sql gives two columns called {twice[0]!a}", "name them apart with AS"
        )
    if len(rows) > MAX_ROWS:
        rows = [*rows[:MAX_ROWS], {"": f"more than {MAX_ROWS} rows"}]
    body = msgspec.json.encode(rows, enc_hook=str)
    headers = (("Content-Type", "application/json"),)
    return Answer(response=Response(status=200, headers=headers, body=body))


def _cell(value: object) -> object:
    """A value as JSON can hold it: there NaN and infinity would be null, which is another one."""
    is_number = not isinstance(value, float) or math.isfinite(value)
    return value if is_number else str(value)


def _limits(url: str) -> dict[str, Any]:
    return {"timeout": SQL_S + _OWN_S} if url.startswith("sqlite") else {}


def reads_only(sql: str) -> bool:
    """Whether a statement begins as one that only reads, and is one."""
    words: Sequence[str] = sql.split(maxsplit=1)
    first = words[0].lower() if words else ""
    return first in ("select", "with", "values") and ";" not in sql.strip().rstrip(";")
