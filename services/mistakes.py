"""Requests that are wrong in some way: the few percent that real clients send."""

from __future__ import annotations

import random
from collections.abc import Iterator

from services.workload import Shopper, draft

LINE = {"sku": "SKU-00003", "quantity": 2}

# Method, target, body: None for no body, bytes as they are, else written as JSON.
REQUESTS: tuple[tuple[str, str, object], ...] = (
    # bodies
    ("POST", "/v1/quote", b'{"lines":[{"sku":"SKU-00001","quantity":2}'),
    ("POST", "/v1/quote", b"lines=SKU-00001"),
    ("POST", "/v1/quote", b""),
    ("POST", "/v1/quote", {"lines": [{"sku": "SKU-00001", "quantity": "two"}]}),
    ("POST", "/v1/quote", {"lines": [{"sku": "SKU-00001", "quantity": 1.5}]}),
    ("POST", "/v1/quote", {"lines": [{"sku": "SKU-00001"}]}),
    ("POST", "/v1/quote", {"Lines": [{"SKU": "SKU-00002", "Quantity": 1}]}),
    ("POST", "/v1/quote", {"lines": [LINE], "coupon": None}),
    ("POST", "/v1/quote", {"lines": [LINE], "at": "tomorrow"}),
    ("POST", "/v1/quote", {"lines": [LINE], "coupon": "HALFPRICE"}),
    ("POST", "/v1/quote", {"lines": [{"sku": "SKU-99999", "quantity": 1}]}),
    ("POST", "/v1/quote", {"lines": []}),
    ("POST", "/v1/quote", b'{"lines":[{"sku":"SKU-00004","quantity":1}]} {"lines":[]}'),
    ("POST", "/v1/route", {"from": {"x": 1, "y": 1}, "to": {"x": 400, "y": 2}}),
    ("POST", "/v1/route", {"from": [1, 1], "to": {"x": 4, "y": 2}}),
    ("POST", "/v1/route", {"from": {"x": 1, "y": 1}}),
    ("POST", "/v1/login", {"user": "u-0", "password": "guess"}),
    ("PATCH", "/v1/items/itm-00002", {"stock": 3}),
    # targets
    ("GET", "/v1/items/itm-99999", None),
    ("GET", "/v1/items/itm-99999/badge.png", None),
    ("GET", "/v1/items/itm%2F00001", None),
    ("GET", "/v1/items/%zz", None),
    ("GET", "/v1/items/", None),
    ("GET", "//v1/items", None),
    ("GET", "/v1/itemz", None),
    ("GET", "/v2/search?q=lamp", None),
    # methods
    ("DELETE", "/v1/items/itm-00001", None),
    ("PUT", "/v1/quote", {"lines": [LINE]}),
    ("GET", "/v1/login", None),
    ("HEAD", "/v1/items/itm-00003", None),
    ("OPTIONS", "/v1/items", None),
    # queries
    ("GET", "/v1/items?page=two", None),
    ("GET", "/v1/items?page=-1", None),
    ("GET", "/v1/items?page=900", None),
    ("GET", "/v1/items?min_price=cheap", None),
    ("GET", "/v1/items?sort=colour", None),
    ("GET", "/v1/items?tag=good&tag=easy", None),
    ("GET", "/v1/search", None),
    ("GET", "/v1/search?q=", None),
    ("GET", "/v1/search?q=lamp&limit=ten", None),
    ("GET", "/v1/search?q=lamp%zz", None),
    ("GET", "/v1/stats?buckets=many", None),
    ("GET", "/v1/stats?category=toys", None),
)


SPECIALS = 6


def deck(rng: random.Random) -> Iterator[int]:
    """The kinds of mistakes in random order, each once before any comes again; endless."""
    kinds = list(range(len(REQUESTS) + SPECIALS))
    while True:
        rng.shuffle(kinds)
        yield from kinds


def blunder(shopper: Shopper, kind: int) -> None:
    """Send something wrong: one of the table, or one of what needs more than a row."""
    if kind < len(REQUESTS):
        shopper.ask(*REQUESTS[kind])
        return
    special = kind - len(REQUESTS)
    if special == 0:
        shopper.ask("POST", "/v1/quote", {"lines": [LINE]}, token="")
    elif special == 1:
        shopper.ask("GET", "/v1/export", token="u-0.0000")  # noqa: S106 - not a secret
    elif special == 2:
        shopper.ask("POST", "/v1/quote", {"lines": [LINE]}, content_type="")
    elif special == 3:
        shopper.ask("POST", "/v1/quote", {"lines": [LINE]}, content_type="text/plain")
    else:
        body = draft(shopper, f"MY-{shopper.user}-x")
        if special == 4:
            del body["stock"]
        else:
            body["tags"] = None
        shopper.ask("POST", "/v1/items", body)
