"""What is said of two bodies, and bodies that are nearly of a format."""

from __future__ import annotations

import time

from hypothesis import strategies as st

from shadow.compare import CompareOptions
from shadow.compare.codecs import CODECS
from shadow.compare.codecs.content import Content, MessageType, content_of
from shadow.compare.codecs.values import Meter, OverBudgetError, UnreadableError
from shadow.compare.walk import Budget
from shadow.judge import Policy, judge
from shadow.model import Answer, Divergence, Exchange, Judgement, Outcome, Request, Response

ENDPOINT = "GET /x"
Found = list[tuple[str, str, str | None, str | None]]
"""Kind, path, baseline and candidate of each divergence."""


def judged(
    baseline: bytes | str,
    candidate: bytes | str,
    label: str | tuple[str, str] = "",
    *,
    status: int = 200,
    options: CompareOptions | None = None,
) -> Judgement:
    """The judgement on two bodies; `label` is the Content-Type of both, or of either."""
    labels = (label, label) if isinstance(label, str) else label

    def answer(body: bytes | str, kind: str) -> Answer:
        data = body.encode() if isinstance(body, str) else body
        headers = (("Content-Type", kind),) if kind else ()
        return Answer(response=Response(status=status, headers=headers, body=data))

    asked = Exchange(id="1", request=Request(method="GET", target="/x"))
    policy = Policy(compare=options or CompareOptions())
    return judge(asked, ENDPOINT, answer(baseline, labels[0]), answer(candidate, labels[1]), policy)


def in_bodies(judgement: Judgement) -> list[Divergence]:
    return [divergence for divergence in judgement.divergences if divergence.where == "body"]


def found(
    baseline: bytes | str,
    candidate: bytes | str,
    label: str | tuple[str, str] = "",
    *,
    status: int = 200,
    options: CompareOptions | None = None,
) -> Found:
    """The differences of two bodies."""
    judgement = judged(baseline, candidate, label, status=status, options=options)
    return [(d.kind, d.path, d.baseline, d.candidate) for d in in_bodies(judgement)]


def verdicts(
    baseline: bytes | str, candidate: bytes | str, label: str | tuple[str, str] = ""
) -> set[tuple[str, str]]:
    """Kind and verdict of the differences of two bodies."""
    return {(d.kind, d.verdict) for d in in_bodies(judged(baseline, candidate, label))}


PATIENT = CompareOptions(budget=Budget(seconds=60))
"""For what must end by itself on a machine of any speed."""
SPELLING = {("spelling", "equivalent")}
"""What `verdicts` is for two bodies that mean the same."""


def diverges(baseline: bytes | str, candidate: bytes | str, label: str) -> bool:
    return judged(baseline, candidate, label).outcome == Outcome.DIVERGENT


def meter(nodes: int = 1_000_000) -> Meter:
    return Meter(nodes, time.perf_counter() + 60)


def content(data: bytes | str, label: str, message: MessageType | None = None) -> Content:
    body = data.encode() if isinstance(data, str) else data
    return content_of(Response(status=200, headers=(("Content-Type", label),)), body, message)


@st.composite
def mutated(draw: st.DrawFn, *seeds: bytes) -> bytes:
    """A seed with a few bytes changed, put in, or taken out; or any bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=60))
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 4)))
        data = data[:start] + draw(st.binary(max_size=4)) + data[stop:]
    return data


def reads_or_refuses(name: str, body: Content) -> None:
    """A codec raises nothing but what it says, and two readings are equal."""
    codec = next(codec for codec in CODECS if codec.name == name)
    assert codec.claims(body)
    try:
        tree = codec.read(body, meter(10_000))
    except (UnreadableError, OverBudgetError):
        return
    assert tree == codec.read(body, meter(10_000))
