"""From a session that shows something to the smallest one that does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from shadow.minimise.budget import Asking, Budget, Oracle, OverBudgetError
from shadow.minimise.ddmin import smallest
from shadow.minimise.json_tree import Node, of_units, simpler, tree_of, units
from shadow.model import FORM, Exchange, Request, media_type

_MAX_BYTES: Final = 64 * 1024
"""Of a body without a known form that is made smaller byte by byte."""
_KEPT_ANYWAY: Final = frozenset({"host", "content-length", "transfer-encoding"})
"""Headers that are set for each message."""

Test = Callable[[Request], Awaitable[bool]]
Keeps = Callable[[Node], Awaitable[bool]]


class Minimised(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest session that was found."""

    session: tuple[Exchange, ...]
    """The last one shows it; those before it are needed for that."""
    requests: int
    """What it took, to each side."""
    finished: bool
    """Nothing is left to drop; else the budget was used up."""


class _Search:
    """The smallest so far: whatever ends the search, it is there."""

    def __init__(self, session: Sequence[Exchange], asking: Asking) -> None:
        self.session = list(session)
        self._asking = asking

    async def _takes(self, session: list[Exchange]) -> bool:
        """Take a smaller session where it still shows."""
        if not await self._asking.shows(session):
            return False
        self.session = session
        return True

    async def run(self) -> None:
        """Make it smaller until nothing can go. Raises OverBudgetError."""
        last = self.session[-1]
        await smallest(self.session[:-1], lambda before: self._takes([*before, last]))
        while True:  # each step that is taken leaves less, so it ends
            before = self.session[-1].request
            for reduce in (_headers, _cookies, _query, _body):
                await reduce(self.session[-1].request, self._keeps)
            if self.session[-1].request == before:
                return

    async def _keeps(self, request: Request) -> bool:
        """Take a smaller last request where it still shows."""
        changed = msgspec.structs.replace(self.session[-1], request=request)
        return await self._takes([*self.session[:-1], changed])


async def minimised(
    session: Sequence[Exchange], shows: Oracle, budget: Budget, *, tries: int = 1
) -> Minimised:
    """Return the smallest session that still shows what `session` shows.

    Dropped are requests before the last one, and of the last one headers, cookies, parameters
    of the query, members and items of JSON, fields of a form, bytes of another body; then
    values become simpler. The order is always the same. `tries` is how often a candidate is
    asked about before it is given up, for what shows only now and then.
    """
    asking = Asking(shows, budget, tries=tries)
    search = _Search(session, asking)
    finished = True
    try:
        await search.run()
    except OverBudgetError:
        finished = False
    return Minimised(session=tuple(search.session), requests=asking.requests, finished=finished)


async def _headers(request: Request, keeps: Test) -> None:
    names = [name.lower() for name, _ in request.headers]
    free = [place for place, name in enumerate(names) if name not in _KEPT_ANYWAY]

    def put(kept: Sequence[int]) -> Request:
        headers = tuple(
            field
            for place, field in enumerate(request.headers)
            if place in kept or names[place] in _KEPT_ANYWAY
        )
        return msgspec.structs.replace(request, headers=headers)

    await smallest(free, lambda kept: keeps(put(kept)))


async def _cookies(request: Request, keeps: Test) -> None:
    headers = list(request.headers)
    for place, (name, value) in enumerate(request.headers):
        if name.lower() == "cookie":
            put = partial(_put_cookies, request, headers, place)
            pairs = [pair.strip() for pair in value.split(";") if pair.strip()]
            kept = await smallest(pairs, lambda some, put=put: _no_empty(some, put, keeps))  # type: ignore[misc]  # mypy has no type for a default of a lambda
            if kept != pairs:
                headers[place] = (name, "; ".join(kept))


def _put_cookies(
    request: Request, headers: Sequence[tuple[str, str]], place: int, kept: Sequence[str]
) -> Request:
    """The request with these cookies in the header at a place."""
    field = (headers[place][0], "; ".join(kept))
    changed = (*headers[:place], field, *headers[place + 1 :])
    return msgspec.structs.replace(request, headers=changed)


async def _no_empty(
    kept: Sequence[str], put: Callable[[Sequence[str]], Request], keeps: Test
) -> bool:
    """An empty Cookie is none: dropping it whole was tried with the headers."""
    return bool(kept) and await keeps(put(kept))


async def _query(request: Request, keeps: Test) -> None:
    path, mark, query = request.target.partition("?")
    if not mark:
        return

    def put(pairs: Sequence[str]) -> Request:
        target = f"{path}?{'&'.join(pairs)}" if pairs else path
        return msgspec.structs.replace(request, target=target)

    await _pairs(query, put, keeps)


async def _pairs(text: str, put: Callable[[Sequence[str]], Request], keeps: Test) -> None:
    """Drop parameters, then make the values of the rest simpler: empty, or fewer words."""
    pairs = await smallest(text.split("&"), lambda kept: keeps(put(kept)))
    for number, pair in enumerate(pairs):
        name, equals, value = pair.partition("=")
        if value:
            glue = "+" if "+" in value else "%20"
            place = partial(_put_value, pairs, number, name + equals, glue)
            kept = await smallest(value.split(glue), _then(place, put, keeps))
            pairs = place(kept)


def _put_value(
    pairs: Sequence[str], number: int, name: str, glue: str, words: Sequence[str]
) -> list[str]:
    return [*pairs[:number], name + glue.join(words), *pairs[number + 1 :]]


def _then(
    place: Callable[[Sequence[str]], list[str]],
    put: Callable[[Sequence[str]], Request],
    keeps: Test,
) -> Callable[[list[str]], Awaitable[bool]]:
    return lambda words: keeps(put(place(words)))


async def _body(request: Request, keeps: Test) -> None:
    if not request.body:
        return

    def put(body: bytes) -> Request:
        return msgspec.structs.replace(request, body=body)

    if await keeps(put(b"")):
        return
    tree = tree_of(request.body)
    if tree is not None:
        await _tree(tree, lambda node: keeps(put(node.written().encode())))
    elif media_type(request.headers) == FORM:
        text = request.body.decode("latin-1")
        await _pairs(text, lambda pairs: put("&".join(pairs).encode("latin-1")), keeps)
    elif len(request.body) <= _MAX_BYTES:
        whole = list(request.body)
        await smallest(whole, lambda kept: keeps(put(bytes(kept))))


async def _tree(root: Node, keeps: Keeps) -> None:
    """Drop members and items from the outside in; only then make the scalars left simpler.

    Hierarchical delta debugging (Misherghi and Su, 2006).
    """
    await _simplified(await _dropped(root, keeps), keeps)


async def _dropped(node: Node, keeps: Keeps) -> Node:
    places = list(range(len(node.children)))
    kept = await smallest(places, lambda some: keeps(node.with_children(some)))
    return await _each(node.with_children(kept) if kept != places else node, keeps, _dropped)


async def _simplified(node: Node, keeps: Keeps) -> Node:
    if node.is_container:
        return await _each(node, keeps, _simplified)
    if node.text.startswith('"'):
        parts = units(node.text)
        kept = await smallest(parts, lambda some: keeps(of_units(some)))
        return of_units(kept)
    for option in simpler(node):
        if await keeps(option):
            return option
    return node


async def _each(node: Node, keeps: Keeps, reduce: Callable[[Node, Keeps], Awaitable[Node]]) -> Node:
    """The value with all its children reduced, one after the other."""
    for place in range(len(node.children)):
        child = await reduce(node.children[place], _inside(node, place, keeps))
        node = node.with_child(place, child)
    return node


def _inside(node: Node, place: int, keeps: Keeps) -> Keeps:
    return lambda child: keeps(node.with_child(place, child))
