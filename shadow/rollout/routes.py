"""Changes of a route as operators ask for them: checked, then made on the store or by a sidecar.

The rules are the same on the command line and on the admin port: a route has a name that can be
printed, a share is 0 to 100, and whoever closes or opens a route for good says why.
"""

from __future__ import annotations

import contextlib
import difflib
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self, TypeVar

import msgspec

from shadow.errors import ConfigError, ShadowError
from shadow.masking import NAME_BYTES, Masker
from shadow.reports import routes
from shadow.reports.live.view import LiveGuard, LiveRoute, LiveRoutes, latches
from shadow.reports.show import colored, width
from shadow.results.routes import GO_ALL, RouteChange, RouteState
from shadow.results.store import Store
from shadow.sending.admin_client import AdminClient, no_admin_port

_Kind = TypeVar("_Kind")

Asked = Literal["set", "unset", "abort", "reset"]
MAX_REASON: Final = 2_000
"""Characters of a reason."""
MAX_BY: Final = 100
"""Characters of who did it."""
CHANGES: Final = 100
"""Entries of the ledger that are looked at."""
MAX_LATCHED: Final = 200
SHORTEST_TOKEN: Final = 16
LONGEST_TOKEN: Final = 1_000
TOKEN_VARIABLE: Final = "SHADOW_ADMIN_TOKEN"  # noqa: S105 - a name

_EXPLAINED: Final = ("abort", "reset")
_RUNS: Final = 5
"""Newest runs whose endpoints are known."""
_TOKEN_HINT: Final = "make one: openssl rand -hex 32"  # noqa: S105 - no token


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a change."""

    state: RouteState
    changed: bool = True
    """Whether it changed anything: what is latched is not latched again."""
    known: bool
    """Whether an endpoint of that name was ever seen; `*` always was."""
    near: str = ""
    """A known one of nearly that name."""
    latched: tuple[str, ...] = ()
    """Other routes that are latched, at most `MAX_LATCHED`."""

    @classmethod
    def of(
        cls,
        change: RouteChange,
        state: RouteState,
        *,
        endpoints: Collection[str],
        latched: Iterable[str],
    ) -> Self:
        """Tell what came of a change from the state, the known endpoints, all latched routes."""
        route = change.route
        known = route == GO_ALL or route in endpoints
        near = [] if known else difflib.get_close_matches(route, endpoints, n=1)
        return cls(
            state=state,
            changed=state.at == change.at,
            known=known,
            near=near[0] if near else "",
            latched=tuple(sorted(set(latched) - {route})[:MAX_LATCHED]),
        )


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger, newest first."""

    changes: tuple[RouteChange, ...]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the routes stand."""

    routes: tuple[LiveRoute, ...]
    guards: tuple[LiveGuard, ...] = ()
    """Only a sidecar knows them."""
    changes: tuple[RouteChange, ...]
    """The ledger, newest first, at most `CHANGES` entries."""


class Routes(Protocol):
    """Where routes are looked at and changed."""

    def standing(self) -> Standing:
        """Where they stand. Raises ShadowError."""

    def change(self, change: RouteChange) -> Moved:
        """Make a change that `asked` has checked. Raises ShadowError."""


def asked(
    action: Asked, route: str, *, percent: float | None = None, reason: str = "", by: str
) -> RouteChange:
    """Return the change that is asked for, as of now. Raises ConfigError.

    Credentials in the texts are masked: they go to the ledger, to logs and to the live page.
    """
    if not route or not route.isprintable() or len(route.encode()) > NAME_BYTES:
        raise ConfigError(
            "that cannot be the name of a route", "an endpoint like 'GET /v1/items/{id}', or '*'"
        )
    if not reason.strip() and action in _EXPLAINED:
        raise ConfigError(f"{action} needs a reason", "say why")
    if action == "set" and (percent is None or not 0 <= percent <= 100):
        raise ConfigError(f"{percent} is no share in percent", "0 to 100")
    if not by.strip():
        raise ConfigError("--by is empty", "say who does it")
    masker = Masker()
    return RouteChange(
        at=datetime.now(UTC),
        action=action,
        route=route,
        percent=percent if action == "set" else None,
        reason=masker.mask_text(_text("reason", reason, MAX_REASON)),
        by=masker.mask_text(_text("name", by, MAX_BY)),
    )


def _text(what: str, text: str, limit: int) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"the {what} is not UTF-8", "write it anew") from None
    if len(text) > limit:
        raise ConfigError(f"the {what} is longer than {limit:,} characters", "sum it up")
    return text


def opened(where: str, admin: str | None, token_file: str | None, token: str) -> Routes:
    """Return the routes of an admin port, or where none is named, those of a store.

    `token` is what the variable holds. Raises ConfigError.
    """
    if admin is not None:
        return AdminRoutes(admin, admin_token(token_file, token))
    if token_file is not None:
        raise ConfigError("--token-file is for --admin", "give --admin URL too")
    return StoreRoutes(where)


class StoreRoutes:
    """The routes in a store; the sidecars that use it follow within a second."""

    def __init__(self, where: str) -> None:
        self._where = where

    def standing(self) -> Standing:
        """See `Routes`."""
        with Store.open(self._where, create=False) as store:
            states, changes = store.route_states(), store.route_changes(CHANGES)
        latched = latches(changes)
        rows = (
            LiveRoute.of(state, weight=_weight(state, states), latch=latched.get(state.route))
            for state in states.values()
        )
        return Standing(routes=in_order(rows), changes=tuple(changes))

    def change(self, change: RouteChange) -> Moved:
        """See `Routes`."""
        with Store.open(self._where, create=False) as store:
            change = msgspec.structs.replace(change, by=f"operator:{change.by}")
            state = store.change_route(change)  # first of all: what follows may take a while
            latched = [each.route for each in store.route_states().values() if each.latched]
            known = {GO_ALL} if change.route == GO_ALL else endpoints(store)
        return Moved.of(change, state, endpoints=known, latched=latched)


def endpoints(store: Store) -> set[str]:
    """Return the endpoints that the newest runs have seen; a damaged run has seen none."""
    found: set[str] = set()
    for info in store.runs(limit=_RUNS):
        with contextlib.suppress(ShadowError):
            found.update(store.load(info.id).tally.endpoints)
    return found


def in_order(rows: Iterable[LiveRoute]) -> tuple[LiveRoute, ...]:
    """Return the rows as they are read: all routes first, then the latched, then by name."""
    return tuple(
        sorted(rows, key=lambda each: (each.route != GO_ALL, not each.latched, each.route))
    )


def _weight(state: RouteState, states: Mapping[str, RouteState]) -> float | None:
    """0 for a route on Go; what else Rust serves hangs on the flags, which the store has not."""
    every = states.get(GO_ALL)
    return 0.0 if state.latched or (every is not None and every.latched) else None


class AdminRoutes:
    """The routes of a sidecar, by its admin port."""

    def __init__(self, url: str, token: str) -> None:
        self._client = AdminClient(url, token)

    def standing(self) -> Standing:
        """See `Routes`."""
        now = self._read(self._client.ask("/-/routes"), LiveRoutes)
        ledger = self._read(self._client.ask(f"/-/changes?limit={CHANGES}"), Changes)
        return Standing(routes=in_order(now.routes), guards=now.guards, changes=ledger.changes)

    def change(self, change: RouteChange) -> Moved:
        """See `Routes`."""
        body: dict[str, Any] = {"route": change.route, "reason": change.reason}
        if change.action == "set":
            body["percent"] = change.percent
        answer = self._client.ask(
            f"/-/routes/{change.action}", body=msgspec.json.encode(body), operator=change.by
        )
        return self._read(answer, Moved)

    def _read(self, answer: bytes, kind: type[_Kind]) -> _Kind:
        try:
            return msgspec.json.decode(answer, type=kind)
        except ValueError:
            raise no_admin_port(self._client.url) from None


def standing_text(found: Standing) -> str:
    """Where the routes stand, for stdout."""
    out = sys.stdout
    return routes.render(
        found.routes,
        found.guards,
        found.changes,
        width=100 if out is None else width(out),
        color=out is not None and colored(out),
    )


def moved_text(moved: Moved) -> str:
    """Where a route stands after a change, on one line."""
    return routes.stands(moved.state)


def notes(moved: Moved) -> Iterator[str]:
    """What may surprise whoever made a change, a line each."""
    state, latched = moved.state, moved.latched
    route = state.route
    if not moved.changed:
        yield f"{route} was latched already, {routes.when(state.at)} by {state.by}: {state.reason}"
    if not moved.known:
        near = f"; did you mean {moved.near}?" if moved.near else ""
        yield f"no endpoint {route} has been seen so far{near}"
    if GO_ALL in latched:
        yield "all routes are on go: shadow route reset '*' opens them"
    elif route == GO_ALL and latched and not state.latched:
        more = f" and {len(latched) - 3} more" if len(latched) > 3 else ""
        yield f"still latched: {', '.join(latched[:3])}{more}"


def admin_token(file: str | None, given: str) -> str:
    """Return the token of the admin port: what is in the file, else what the variable holds.

    Raises ConfigError, which quotes neither.
    """
    where, token = TOKEN_VARIABLE, given
    if file is not None:
        where = f"token file {file}"
        try:
            with Path(file).open("rb") as opened:
                token = opened.read(2 * LONGEST_TOKEN).decode("latin-1")
        except OSError as error:
            raise ConfigError(f"{where}: {error.strerror}", "check the path") from None
    token = token.strip()
    if not token:
        raise ConfigError(f"{where}: no admin token", f"export {TOKEN_VARIABLE} or --token-file")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"{where}: an admin token is printable ASCII without spaces", _TOKEN_HINT)
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
        lengths = f"{SHORTEST_TOKEN} to {LONGEST_TOKEN:,}"
        raise ConfigError(f"{where}: an admin token has {lengths} characters", _TOKEN_HINT)
    return token
