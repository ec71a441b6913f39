"""What the users of the catalogue do: a seeded plan of requests, made without any network.

A plan depends on its seed alone, so both services are asked the same. What only an answer can
tell (the token of a login, the id of a new draft) stands in a plan as a placeholder.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TOKEN = "{token}"  # noqa: S105 - a placeholder
HOST = "catalogue.example.com"
ITEMS = 240
GRID = 96
STOP_SPACING = 4

CATEGORIES = (
    "garden",
    "kitchen",
    "lighting",
    "office",
    "outdoor",
    "storage",
    "textiles",
    "tools",
)
AGENTS = ("shop-web/3.2", "shop-app/5.0 (Android)", "shop-app/5.1 (iOS)", "stock-sync/1.4")
QUERIES = (
    "brass lamp",
    "wool blanket",
    "oak chair",
    "Garden Spade",
    "quiet clock",
    "steel kettle handle",
    "broken hinge",
    "refund",
    "small tent rain",
    "crème mug",
    "leather bag",
    "R&D <prototype>",
    "umbrella",
    "zeppelin",
    "obsidian",
)
_ITEM_WEIGHTS = tuple(1 / (rank + 3) for rank in range(1, ITEMS + 1))
_QUERY_WEIGHTS = (14, 12, 12, 10, 8, 8, 8, 8, 6, 5, 5, 1, 1, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to send; target and headers may hold placeholders."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(slots=True, kw_only=True)
class Shopper:
    """One user's session while it is being planned."""

    rng: random.Random
    user: str
    agent: str
    cookie: bool = False
    """Whether the token goes in a cookie instead of a bearer header."""
    drafts: int = 0
    calls: list[Call] = field(default_factory=list)

    def ask(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        token: str = TOKEN,
        content_type: str = "application/json",
    ) -> None:
        """Add a request; `body` is bytes, or a value to be written as JSON, or None."""
        headers = [("Host", HOST), ("User-Agent", self.agent), ("Accept", "application/json")]
        if token and self.cookie:
            headers.append(("Cookie", f"sid={token}"))
        elif token:
            headers.append(("Authorization", f"Bearer {token}"))
        content = b""
        if body is not None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            if content_type:
                headers.append(("Content-Type", content_type))
        if body is not None or method in {"POST", "PATCH", "PUT"}:
            headers.append(("Content-Length", str(len(content))))
        call = Call(method=method, target=target, headers=tuple(headers), body=content)
        self.calls.append(call)

    def item(self) -> int:
        """An item's number; low numbers are popular (Zipf-Mandelbrot)."""
        return self.rng.choices(range(1, ITEMS + 1), _ITEM_WEIGHTS)[0]

    def sku(self) -> str:
        """A product's SKU."""
        return f"SKU-{self.item():05}"

    def one_of(self, *choices: str) -> str:
        """One of several, all as likely."""
        return self.rng.choice(choices)


def log_in(shopper: Shopper) -> None:
    """Begin a session."""
    body = {"user": shopper.user, "password": f"pass-{shopper.user}"}
    shopper.ask("POST", "/v1/login?cookie=1" if shopper.cookie else "/v1/login", body, token="")


def _list(shopper: Shopper) -> None:
    query = []
    if shopper.rng.random() < 0.5:
        query.append(f"category={shopper.rng.choice(CATEGORIES)}")
    if shopper.rng.random() < 0.4:
        query.append(f"page={2 if query else shopper.rng.randint(2, 4)}")
    if shopper.rng.random() < 0.4:
        query.append(f"sort={shopper.one_of('price', '-price', '-rating', 'name')}")
    if shopper.rng.random() < 0.1:
        query.append(f"tag={shopper.one_of('good', 'easy', 'made', 'late', 'shiny')}")
    if shopper.rng.random() < 0.1:
        query.append(f"min_price={shopper.rng.randrange(1, 60) * 100}&max_price=20000")
    if shopper.rng.random() < 0.2:
        query.append(f"per_page={shopper.one_of('5', '20', '50')}")
    shopper.ask("GET", "/v1/items" + ("?" + "&".join(query) if query else ""))


def _show(shopper: Shopper) -> None:
    shopper.ask("GET", f"/v1/items/itm-{shopper.item():05}")


def _badge(shopper: Shopper) -> None:
    shopper.ask("GET", f"/v1/items/itm-{shopper.item():05}/badge.png")


def _search(shopper: Shopper) -> None:
    query = shopper.rng.choices(QUERIES, _QUERY_WEIGHTS)[0]
    escaped = "".join(_query_escape(byte) for byte in query.encode())
    limit = f"&limit={shopper.one_of('3', '25')}" if shopper.rng.random() < 0.2 else ""
    shopper.ask("GET", f"/v1/search?q={escaped}{limit}")


def _query_escape(byte: int) -> str:
    if byte == ord(" "):
        return "+"
    return chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"%{byte:02X}"


def quote(shopper: Shopper) -> None:
    """Ask what some products cost."""
    lines = [
        {"sku": shopper.sku(), "quantity": shopper.rng.choice((1, 1, 1, 2, 3, 12, 60))}
        for _ in range(shopper.rng.randint(1, 4))
    ]
    body: dict[str, Any] = {"lines": lines}
    body["country"] = shopper.one_of("DE", "DE", "FR", "NL", "PL", "CH", "US")
    if shopper.rng.random() < 0.3:
        body["currency"] = shopper.one_of("EUR", "GBP", "USD")
    if shopper.rng.random() < 0.2:
        body["coupon"] = shopper.one_of("TENOFF", "FIVER")
    if shopper.rng.random() < 0.3:
        day = shopper.rng.randint(3, 28)
        offset = shopper.one_of("Z", "Z", "Z", "+02:00")
        body["at"] = f"2026-08-{day:02}T12:30:00{offset}"
    shopper.ask("POST", "/v1/quote", body)


def _route(shopper: Shopper) -> None:
    spacing = STOP_SPACING if shopper.rng.random() < 0.95 else 1
    start, end = ({axis: _coordinate(shopper, spacing) for axis in "xy"} for _ in range(2))
    shopper.ask("POST", "/v1/route", {"from": start, "to": end})


def _coordinate(shopper: Shopper, spacing: int) -> int:
    return shopper.rng.randrange(0, GRID, spacing)


def _stats(shopper: Shopper) -> None:
    shopper.ask("GET", "/v1/stats" + shopper.one_of("", "?buckets=20", "?category=garden"))


def draft(shopper: Shopper, sku: str) -> dict[str, Any]:
    """The body that creates a user's draft."""
    body: dict[str, Any] = {
        "sku": sku,
        "name": shopper.one_of("Oak Shelf", "Cup & Saucer", "Tall Lamp", "Blue Rug"),
        "category": shopper.rng.choice(CATEGORIES),
        "price_cents": shopper.rng.randrange(500, 20_000),
        "stock": shopper.rng.randrange(1, 50),
    }
    if shopper.rng.random() < 0.9:
        body["description"] = "as good as new"
    if shopper.rng.random() < 0.9:
        body["tags"] = ["own", shopper.one_of("new", "used")]
    return body


def create(shopper: Shopper) -> None:
    """Make a draft with a SKU of its own."""
    shopper.drafts += 1
    shopper.ask("POST", "/v1/items", draft(shopper, _draft_sku(shopper)))


def _draft_sku(shopper: Shopper) -> str:
    return f"MY-{shopper.user}-{shopper.drafts}"


def draft_target(shopper: Shopper) -> str:
    """The path of the newest draft; its id stands in it as a placeholder."""
    return f"/v1/items/{{draft:{_draft_sku(shopper)}}}"


def _own(shopper: Shopper) -> None:
    if not shopper.drafts:
        return create(shopper)
    own = draft_target(shopper)
    return shopper.ask("GET", shopper.one_of(own, own, "/v1/items?owner=me"))


def change(shopper: Shopper) -> None:
    """Give the newest draft another price."""
    if not shopper.drafts:
        return create(shopper)
    patch = {"price_cents": shopper.rng.randrange(500, 20_000)}
    return shopper.ask("PATCH", draft_target(shopper), patch)


ACTIONS: tuple[tuple[Callable[[Shopper], None], float], ...] = (
    (_list, 21),
    (_show, 29),
    (_badge, 4),
    (_search, 19),
    (quote, 12),
    (_route, 5),
    (_stats, 2.5),
    (create, 1.5),
    (_own, 1),
    (change, 1),
)
