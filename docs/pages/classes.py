"""The catalogue of divergence classes, from the classes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Final

from docs.pages.markdown import fenced, page, prose, sentence, table
from shadow.compare import classes
from shadow.compare.classes.base import DivergenceClass
from shadow.compare.classes.examples import Example
from shadow.model import NoAnswer, Observation, Response, readable

SHOWN: Final = 600
"""Characters of an example body that are shown."""

_NEEDS: Final = {
    "pair": "the two answers",
    "request": "the two answers and the request",
    "corpus": "many answers at one place, at the end of a run",
    "never": "nothing: never named, a hint at most",
}


def render() -> str:
    """docs/reference/classes.md, whatever is registered in `shadow.compare.classes`."""
    intro = (
        "A class is a named cause of a divergence between a Go service and its Rust rewrite, "
        "with the usual fix on either side. A difference gets the first class that recognises "
        "it, or none. With the policy `allow` the exchange stays `equivalent`; with `fail` it is "
        "`divergent`. A difference of no class is `breaking` and fails."
    )
    rows = [
        [f"[`{cls.id}`](#{cls.id})", cls.severity, f"`{cls.policy}`", _NEEDS[cls.needs]]
        for cls in classes.CLASSES.values()
    ]
    if not rows:
        return page("Divergence classes", intro, "No class is registered yet.")
    policies = table(["class", "severity", "policy", "decided from"], rows)
    return page("Divergence classes", intro, "## Default policies", policies, *_families())


def _families() -> Iterator[str]:
    left = dict(classes.CLASSES)
    for family in classes.FAMILIES:
        module = import_module(f"{classes.__name__}.{family}")
        members = [left.pop(cls.id) for cls in module.CLASSES if cls.id in left]
        title, _, text = _first_paragraph(module.__doc__ or family).partition(": ")
        yield f"## {title.rstrip('.')}"
        yield prose(sentence(text))
        yield from map(_divergence_class, members)
    if left:
        yield "## Others"
        yield from map(_divergence_class, left.values())


def _first_paragraph(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())


def _divergence_class(cls: DivergenceClass) -> str:
    rows = [
        ["Go", prose(cls.go)],
        ["Rust", prose(cls.rust)],
        ["clients", prose(cls.impact)],
        ["fix in Go", prose(cls.fix_go)],
        ["fix in Rust", prose(cls.fix_rust)],
        ["judged", f"{cls.severity}, policy `{cls.policy}`, from {_NEEDS[cls.needs]}"],
    ]
    example = _example(cls.valid[0]) if cls.valid else ""
    parts = [f"### `{cls.id}`", prose(cls.title) + ".", table(["", ""], rows), example]
    return "\n\n".join(part for part in parts if part)


def _example(example: Example) -> str:
    if example.samples:
        rows = ([f"`{go}`", f"`{rust}`"] for go, rust in example.samples)
        return table(["Go", "Rust"], rows)
    lines = []
    if example.request is not None:
        body = f"\n{_body_text(example.request.body)}" if example.request.body else ""
        lines.append(f"> {example.request.method} {readable(example.request.target)}{body}")
    told = [_told(side) for side in (example.go, example.rust)]
    lines += [f"Go    {told[0]}", f"Rust  {told[1]}"]
    return fenced("\n".join(lines), "text")


def _told(observation: Observation | None) -> str:
    """One side of an example on a line or a few: the status where it says something."""
    if observation is None:
        return "(nothing)"
    if isinstance(observation, NoAnswer):
        return f"(no answer: {observation.kind})"
    response = observation.response
    said = [f"HTTP {response.status}"] if response.status != 200 else []
    said += [f"{name}: {readable(value)}" for name, value in _telling(response)]
    said += [_body_text(response.body)] if response.body else []
    return "\n      ".join(said or ["(empty)"])


def _telling(response: Response) -> Iterator[tuple[str, str]]:
    for name, value in response.headers:
        if (name.lower(), value) != ("content-type", "application/json"):
            yield name, value


def _body_text(body: bytes) -> str:
    """A body on one line: control characters and bytes that are not UTF-8 as escapes."""
    text = body.decode("utf-8", "backslashreplace")
    cut = text[:SHOWN] + ("…" if len(text) > SHOWN else "")
    return "".join(c if c.isprintable() else c.encode("unicode-escape").decode() for c in cut)
