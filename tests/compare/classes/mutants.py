"""One-character changes to the Rust value of a named pair, and what they are named."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from shadow.compare import compare
from shadow.compare.classes import classify
from shadow.compare.classes.base import Pair
from shadow.model import Answer, Response
from tests.compare.classes.pairs import Labelled

ALPHABET = "0123456789abcxyzABCXYZ-_.:+ \"'\\/<>{}[],&=;%é"


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One changed pair, and whether every difference was given a benign name."""

    id: str
    label: str
    body: bytes
    excused: bool


def mutants(labelled: Labelled, each: int, seed: int) -> Iterator[Mutant]:
    """Mutants of the Rust body: a character replaced, removed or put in."""
    rust = labelled.pair.candidate
    if not isinstance(rust, Answer) or not rust.response.body:
        return
    rng = random.Random(f"{seed} {labelled.id}")
    text = rust.response.body.decode("utf-8", "replace")
    for _ in range(each):
        changed = edit(text, rng)
        if changed != text and not same_value(changed, text):
            yield judged(labelled, rust, changed)


def edit(text: str, rng: random.Random) -> str:
    place = rng.randrange(len(text))
    how = rng.choice(("replace", "remove", "insert"))
    put = "" if how == "remove" else rng.choice(ALPHABET)
    return text[:place] + put + text[place + (how != "insert") :]


def same_value(changed: str, text: str) -> bool:
    """The change is no change of a value: white space or another spelling of the same JSON."""
    differences = compare(_json(text), _json(changed))
    return all(difference.kind == "spelling" for difference in differences)


def _json(text: str) -> Answer:
    headers = (("Content-Type", "application/json"),)
    return Answer(response=Response(status=200, headers=headers, body=text.encode()))


def judged(labelled: Labelled, rust: Answer, changed: str) -> Mutant:
    """Whether the mutant passes: no difference is unnamed, and none has policy fail."""
    response = Response(
        status=rust.response.status, headers=rust.response.headers, body=changed.encode()
    )
    candidate = Answer(response=response)
    differences = compare(labelled.pair.baseline, candidate)
    pair = Pair(labelled.pair.baseline, candidate, differences, labelled.pair.request)
    classes = classify(pair)
    excused = all(
        difference.kind == "spelling" or (cls is not None and cls.policy == "allow")
        for difference, cls in zip(differences, classes, strict=True)
    )
    benign = all(
        difference.kind == "spelling" or (cls is not None and cls.severity == "benign")
        for difference, cls in zip(differences, classes, strict=True)
    )
    return Mutant(
        id=labelled.id, label=labelled.label, body=changed.encode(), excused=excused or benign
    )
