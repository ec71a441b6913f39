"""Examples of divergence classes, and what builds them: the tests, and what the catalogue shows."""

from __future__ import annotations

import msgspec

from shadow.model import Answer, Headers, Observation, Request, Response


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """Two answers to one request; for a corpus class, the samples of one place."""

    go: Observation | None = None
    rust: Observation | None = None
    request: Request | None = None
    samples: tuple[tuple[str, str], ...] = ()
    """JSON texts of both sides at one place, for corpus classes."""
    note: str = ""


def answer(status: int = 200, body: str | bytes = "", **headers: str) -> Answer:
    """An example answer; header names are given with `_` for `-`; JSON unless told otherwise."""
    given: Headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    if body and not any(name.lower() == "content-type" for name, _ in given):
        given = (("Content-Type", "application/json"), *given)
    data = body.encode() if isinstance(body, str) else body
    return Answer(response=Response(status=status, headers=given, body=data))


def json_pair(go: str, rust: str, note: str = "") -> Example:
    """An example of two JSON bodies with status 200."""
    return Example(go=answer(body=go), rust=answer(body=rust), note=note)


def plain(status: int, text: str, **headers: str) -> Answer:
    """An example answer in plain text."""
    return answer(status, text, Content_Type="text/plain; charset=utf-8", **headers)


def http_error(status: int, text: str, **headers: str) -> Answer:
    """An example answer as Go's `http.Error` writes it."""
    return plain(status, text + "\n", X_Content_Type_Options="nosniff", **headers)


def pairs(*both: tuple[Observation, Observation] | Example) -> tuple[Example, ...]:
    """Examples from pairs of a Go and a Rust observation."""
    return tuple(
        one if isinstance(one, Example) else Example(go=one[0], rust=one[1]) for one in both
    )


def asked(target: str = "/", method: str = "GET", body: str = "", **headers: str) -> Request:
    """An example request."""
    given: Headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method=method, target=target, headers=given, body=body.encode())
