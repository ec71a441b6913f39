"""What the store asks of the database about routes, inside one transaction of its own.

Whoever writes here has taken turns (`writing(…, ROUTES)`), so what was read stays true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    insert,
    inspect,
    select,
    tuple_,
    update,
)

from shadow.results import tables
from shadow.results.routes import GO_ALL, Buckets, RouteChange, RouteState, added

ROUTES: Final = "routes"
"""What a transaction on routes is about."""
MAX_COUNTED: Final = 3_100
"""Routes and guards of one version that are counted; what comes later is not."""
MAX_VERSIONS: Final = 16
"""Versions whose evidence is kept: those that were counted last."""

_TABLES: Final = (tables.route_states, tables.route_changes, tables.route_evidence)
_S, _E = tables.route_states.c, tables.route_evidence.c
_CHANGE: Final = (
    update(tables.route_evidence)
    .where(
        _E.version == bindparam("version_"),
        _E.route == bindparam("route_"),
        _E.guard == bindparam("guard_"),
    )
    .values(buckets=bindparam("buckets_"), touched=bindparam("touched_"))
)


def prepare(connection: Connection) -> None:
    """Make the tables where a store of an older release has none."""
    for table in _TABLES:
        table.create(connection, checkfirst=True)


def _are_there(connection: Connection) -> bool:
    return inspect(connection).has_table(_TABLES[-1].name)


def states(connection: Connection) -> dict[str, RouteState]:
    """Return the state of each route that was ever changed. Raise ValueError for a damaged one."""
    if not _are_there(connection):
        return {}
    found = (
        msgspec.json.decode(text, type=RouteState) for text in connection.scalars(select(_S.state))
    )
    return {state.route: state for state in found}


def put_state(connection: Connection, state: RouteState) -> None:
    """Keep a state in place of the one before."""
    connection.execute(delete(tables.route_states).where(_S.route == state.route))
    row = {"route": state.route, "state": msgspec.json.encode(state).decode()}
    connection.execute(insert(tables.route_states), row)


def add_change(connection: Connection, change: RouteChange) -> None:
    """Enter a change in the ledger, behind the others."""
    row = {"entry": msgspec.json.encode(change).decode()}
    connection.execute(insert(tables.route_changes), row)


def changes(connection: Connection, limit: int) -> list[RouteChange]:
    """Return the newest entries of the ledger. Raise ValueError for a damaged one."""
    if not _are_there(connection):
        return []
    c = tables.route_changes.c
    texts = connection.scalars(select(c.entry).order_by(c.change.desc()).limit(limit))
    return [msgspec.json.decode(text, type=RouteChange) for text in texts]


def evidence(connection: Connection, version: str) -> dict[tuple[str, str], Buckets]:
    """Return what was counted of a version. Raise ValueError for what is damaged."""
    if not _are_there(connection):
        return {}
    query = select(_E.route, _E.guard, _E.buckets).where(_E.version == version)
    return {(row.route, row.guard): _buckets(row.buckets) for row in connection.execute(query)}


def add_evidence(
    connection: Connection,
    version: str,
    deltas: Mapping[tuple[str, str], tuple[int, int]],
    now: int,
) -> None:
    """Add trials and hits of a version, by route and guard.

    Raise ValueError for counts that cannot be, or what is damaged.
    """
    places = tuple_(_E.route, _E.guard).in_(list(deltas))
    query = select(_E.route, _E.guard, _E.buckets).where(_E.version == version, places)
    before = {(row.route, row.guard): _buckets(row.buckets) for row in connection.execute(query)}
    counted = {place: added(before.get(place, ()), *delta) for place, delta in deltas.items()}
    rows = [
        {"route": route, "guard": guard, "buckets": msgspec.json.encode(buckets).decode()}
        for (route, guard), buckets in counted.items()
        if buckets
    ]
    common = {"version": version, "touched": now}
    new = [{**row, **common} for row in rows if (row["route"], row["guard"]) not in before]
    if new:
        new.sort(key=lambda row: row["route"] != GO_ALL)
        new = new[: _room(connection, version)]
    if new:
        connection.execute(insert(tables.route_evidence), new)
    known = [{**row, **common} for row in rows if (row["route"], row["guard"]) in before]
    if known:
        named = [{f"{name}_": value for name, value in row.items()} for row in known]
        connection.execute(_CHANGE, named)


def _room(connection: Connection, version: str) -> int:
    """Return how many more rows a version may have; a new one takes the place of the oldest."""
    count = select(func.count()).where(_E.version == version)
    kept: int = connection.scalars(count).one()
    if not kept:
        last = func.max(_E.touched)
        versions = select(_E.version).group_by(_E.version).order_by(last.desc())
        for oldest in connection.scalars(versions).all()[MAX_VERSIONS - 1 :]:
            connection.execute(delete(tables.route_evidence).where(_E.version == oldest))
    return max(0, MAX_COUNTED - kept)


def clear_evidence(connection: Connection, version: str, route: str) -> None:
    """Forget what was counted of a route, or of all with `*`; without a version, of each."""
    query = delete(tables.route_evidence)
    if version:
        query = query.where(_E.version == version)
    if route != GO_ALL:
        query = query.where(_E.route == route)
    connection.execute(query)


def _buckets(text: str) -> Buckets:
    return msgspec.json.decode(text, type=Buckets)
