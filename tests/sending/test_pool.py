from __future__ import annotations

import asyncio

from shadow.sending.connect import connect
from shadow.sending.connection import Connection
from shadow.sending.limits import Limits
from shadow.sending.pool import Pool
from tests.sending.service import OK, Run, Service, answering, serve


async def opened(service: Service) -> Connection:
    connection = await connect(service.target(), limits=Limits(), tls=None, timeout_s=5)
    assert isinstance(connection, Connection)
    return connection


async def within(pool: Pool, *, fresh: bool = False) -> Connection | None:
    return await asyncio.wait_for(pool.claim(safe=True, fresh=fresh), 5)


def test_a_connection_that_closed_at_once_takes_no_slot(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service:
            pool = Pool(1)
            assert await within(pool) is None
            connection = await opened(service)
            connection.abort()
            pool.fill(connection)
            assert len(pool) == 0
            assert await within(pool) is None

    run(main())


def test_asking_for_a_slot_closes_an_idle_connection_when_all_are_filled(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service:
            pool = Pool(1)
            assert await within(pool) is None
            connection = await opened(service)
            pool.fill(connection)
            assert connection.on_idle is not None
            connection.on_idle(connection)
            assert await within(pool, fresh=True) is None
            assert not connection.open
            assert len(pool) == 0
            pool.free()

    run(main())


def test_waiting_for_a_slot_ends_when_the_only_connection_falls_idle(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service:
            pool = Pool(1)
            assert await within(pool) is None
            connection = await opened(service)
            pool.fill(connection)
            waiting = asyncio.ensure_future(within(pool, fresh=True))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert connection.on_idle is not None
            connection.on_idle(connection)
            assert await waiting is None
            assert not connection.open

    run(main())


def test_a_closed_connection_is_idle_no_more(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service:
            pool = Pool(1)
            assert await within(pool) is None
            connection = await opened(service)
            pool.fill(connection)
            assert connection.on_idle is not None
            connection.on_idle(connection)
            await pool.aclose()
            assert pool._idle == []

    run(main())


def test_first_come_first_served_and_the_last_used_connection_first(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service:
            pool = Pool(2)
            one, two = [await opened(service) for _ in range(2)]
            for connection in (one, two):
                assert await within(pool) is None
                pool.fill(connection)
            waiting = [asyncio.ensure_future(within(pool)) for _ in range(2)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for connection in (two, one):
                assert connection.on_idle is not None
                connection.on_idle(connection)
            assert await asyncio.gather(*waiting) == [two, one]
            for connection in (two, one):
                assert connection.on_idle is not None
                connection.on_idle(connection)
            assert pool.take(safe=True, now=asyncio.get_running_loop().time()) is one
            assert pool.take(safe=True, now=asyncio.get_running_loop().time()) is two
            assert pool.take(safe=True, now=asyncio.get_running_loop().time()) is None
            await pool.aclose()
            assert not one.open
            assert not two.open

    run(main())
