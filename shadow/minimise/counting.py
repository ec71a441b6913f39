"""What is left out of a session that was made smaller, by kind."""

from __future__ import annotations

from collections.abc import Sequence

from shadow.minimise.json_tree import Node, tree_of
from shadow.model import Exchange, Request, header_values


def left_out(before: Sequence[Exchange], after: Sequence[Exchange]) -> dict[str, int]:
    """How many of each kind, by a noun in the singular; nothing of what lost nothing.

    `before` and `after` are sessions; of requests before the last one only their number counts.
    """
    counts = {"request": len(before) - len(after)}
    had, has = _parts(before[-1].request), _parts(after[-1].request)
    counts |= {kind: had.get(kind, 0) - has.get(kind, 0) for kind in had}
    return {kind: count for kind, count in counts.items() if count > 0}


def _parts(request: Request) -> dict[str, int]:
    cookies = header_values(request.headers, "cookie")
    _, mark, query = request.target.partition("?")
    tree = tree_of(request.body)
    return {
        "header": len(request.headers),
        "cookie": sum(len(value.split(";")) for value in cookies),
        "parameter": query.count("&") + 1 if mark else 0,
        "JSON value": 0 if tree is None else _values(tree),
        "body byte": len(request.body),
    }


def _values(node: Node) -> int:
    return 1 + sum(map(_values, node.children))
