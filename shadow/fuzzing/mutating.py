"""A recorded request made another one that a service might get. Pure, and drawn with a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from shadow.fuzzing import fields, json_edits, parameters, paths
from shadow.fuzzing.json_edits import Edit
from shadow.model import FORM, Exchange, Headers, Request, media_type

TWICE: Final = 0.125
"""The share of requests that are changed at two places."""

Change = Callable[[Request, random.Random], Request | None]
"""Makes another request of one, or None where it does not apply."""


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was made of a seed."""

    request: Request
    kinds: tuple[str, ...]
    """What was done to it: keys of `CHANGES`."""


def _in_json(edit: Edit) -> Change:
    def change(request: Request, draw: random.Random) -> Request | None:
        if not request.body:
            return None
        try:
            text = edit(request.body.decode(), draw)
        except UnicodeDecodeError:
            return None
        return None if text is None else msgspec.structs.replace(request, body=text.encode())

    return change


def _in_path(edit: Edit) -> Change:
    def change(request: Request, draw: random.Random) -> Request | None:
        path, mark, query = request.target.partition("?")
        changed = edit(path, draw)
        if changed is None or not changed.startswith("/"):
            return None
        return msgspec.structs.replace(request, target=f"{changed}{mark}{query}")

    return change


def _in_query(edit: Edit) -> Change:
    def change(request: Request, draw: random.Random) -> Request | None:
        path, _, query = request.target.partition("?")
        changed = edit(query, draw)
        if changed is None or not path.startswith("/"):
            return None
        return msgspec.structs.replace(request, target=f"{path}?{changed}" if changed else path)

    return change


def _in_form(edit: Edit) -> Change:
    def change(request: Request, draw: random.Random) -> Request | None:
        if not request.body or media_type(request.headers) != FORM:
            return None
        changed = edit(request.body.decode("latin-1"), draw)
        if changed is None:
            return None
        return msgspec.structs.replace(request, body=changed.encode("latin-1"))

    return change


def _in_headers(edit: Callable[[Headers, random.Random], Headers]) -> Change:
    def change(request: Request, draw: random.Random) -> Request | None:
        return msgspec.structs.replace(request, headers=edit(request.headers, draw))

    return change


def _content_type(request: Request, draw: random.Random) -> Request | None:
    return _in_headers(fields.content_type)(request, draw) if request.body else None


CHANGES: Final[dict[str, Change]] = {
    "number": _in_json(json_edits.number),
    "string": _in_json(json_edits.string),
    "date": _in_json(json_edits.date),
    "null": _in_json(json_edits.null),
    "array": _in_json(json_edits.array),
    "missing-key": _in_json(json_edits.missing_key),
    "extra-key": _in_json(json_edits.extra_key),
    "duplicate-key": _in_json(json_edits.duplicate_key),
    "key-case": _in_json(json_edits.key_case),
    "form-value": _in_form(parameters.value),
    "form": _in_form(parameters.shape),
    "query-value": _in_query(parameters.value),
    "query": _in_query(parameters.shape),
    "path-value": _in_path(paths.value),
    "path": _in_path(paths.spelling),
    "content-type": _content_type,
    "accept": _in_headers(fields.accept),
}
"""What can be done to a request, by the name that it goes by in a summary."""
_SELDOM: Final = frozenset({"accept", "content-type", "path"})
"""What applies to nearly every request, and shows the same each time."""
_COUNTS: Final = [1 if name in _SELDOM else 3 for name in CHANGES]


def mutant(groups: Sequence[Sequence[Exchange]], seed: int, position: int) -> Mutant | None:
    """The request at a position of the endless list that a seed stands for.

    `groups` are the seeds by endpoint: each endpoint comes as often as any other. None where
    what was drawn changes nothing.
    """
    draw = random.Random(f"{seed} {position}")  # noqa: S311 - a plan that repeats, not a secret
    request = draw.choice(draw.choice(groups)).request
    kinds: list[str] = []
    changed = request
    for _ in range(2 if draw.random() < TWICE else 1):
        for name in draw.sample(list(CHANGES), k=sum(_COUNTS), counts=_COUNTS):
            made = CHANGES[name](changed, draw)
            if made is not None and made != changed:
                changed = made
                kinds.append(name)
                break
    return Mutant(request=changed, kinds=tuple(kinds)) if changed != request else None
