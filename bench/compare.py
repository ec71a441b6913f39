"""The whole judgement of one pair of answers, beside DeepDiff on the same pair."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deepdiff import DeepDiff  # noqa: TID251 - it is what is measured

from bench import measure, traffic
from bench.figures import Bound, Figure
from shadow.compare import CompareOptions
from shadow.compare.noise import NoiseProfile
from shadow.compare.rules import ListRule, Rules, parse_pattern
from shadow.judge import Policy, judge, learn
from shadow.model import Answer, Exchange, Judgement, Outcome, Request, Response

ENDPOINT = "GET /v1/items"
EXCHANGE = Exchange(id="x", request=Request(method="GET", target="/v1/items"))
DEEPDIFF = "DeepDiff of the decoded JSON"
LEARNED = 25
"""Answers of Go against Go that noise is learned from."""
MOVED = 10
"""One item in so many of a reordered list is changed too."""

EQUAL = Bound(on="ratio", least=100)
DIFFERENT = Bound(on="ratio", least=50)
DIFFERENT_SMALL = Bound(on="ratio", least=30)
SMALL = 20_000
"""Bodies below this have the smaller bound."""
NOISY = Bound(on="ratio", least=20)
REORDERED = Bound(on="value", most=1.0)
BOUND_AT = 5_000
"""Items of the reordered list that has a bound."""

BY_POSITION = Policy()
UNORDERED = Policy(
    compare=CompareOptions(
        rules={"*": Rules(lists=(ListRule(path=parse_pattern("$.items"), unordered=True),))}
    )
)
KEYED = Policy(
    compare=CompareOptions(
        rules={"*": Rules(lists=(ListRule(path=parse_pattern("$.items"), key=("id",)),))}
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Two bodies and what is to be said of them."""

    name: str
    baseline: bytes
    candidate: bytes
    outcome: Outcome
    bound: Bound | None
    noise: NoiseProfile | None = None
    policy: Policy = BY_POSITION

    def judge(self) -> Judgement:
        """The judgement of the pair, with the headers that go with it, the classes, the words."""
        baseline = answer(self.baseline, candidate=False)
        candidate = answer(self.candidate, candidate=True)
        return judge(EXCHANGE, ENDPOINT, baseline, candidate, self.policy, noise=self.noise)

    def wrong(self) -> str:
        """What the judge gets wrong about the pair, or empty."""
        said = self.judge().outcome
        return "" if said == self.outcome else f"wrong: judged {said}, not {self.outcome}"

    def deepdiff(self, **options: Any) -> Callable[[], object]:
        """DeepDiff of the pair, as a call to be timed."""
        return lambda: DeepDiff(json.loads(self.baseline), json.loads(self.candidate), **options)


def answer(body: bytes, *, candidate: bool) -> Answer:
    """The body with the headers that Go, or hyper, sends with it."""
    headers = traffic.RUST_HEADERS if candidate else traffic.GO_HEADERS
    return Answer(response=Response(status=200, headers=headers, body=body))


def measured(sizes: measure.Sizes, say: Callable[[str], None]) -> list[Figure]:
    """All figures of comparing."""
    found = [
        beside_deepdiff(sizes, case, f"{size / 1000:g} kB, {case.name}")
        for size in sizes.bodies
        for case in cases(size)
    ]
    say(
        "reordered lists: DeepDiff with ignore_order is quadratic; beyond "
        f"{sizes.longest_for_deepdiff} items its time is extrapolated"
    )
    return found + reordered(sizes)


def beside_deepdiff(sizes: measure.Sizes, case: Case, name: str) -> Figure:
    """One pair, in turns."""
    ours, theirs = measure.in_turns(
        sizes.rounds, measure.timed(case.judge), measure.timed(case.deepdiff())
    )
    return Figure(
        area="compare",
        what=f"compare, {name}",
        unit="s",
        shadow=ours,
        against=DEEPDIFF,
        other=theirs,
        bound=case.bound,
        wrong=case.wrong(),
    )


def cases(size: int) -> list[Case]:
    """Pairs of about this many bytes."""
    rng = random.Random(traffic.SEED)
    page = traffic.catalogue(size, rng)
    body = traffic.text(page)
    different = DIFFERENT if size >= SMALL else DIFFERENT_SMALL
    changed = {count: traffic.text(traffic.changed(page, count)) for count in (1, 10)}
    respelled = json.dumps(_backwards(page), indent=1, ensure_ascii=False).encode()
    return [
        Case(
            name="same bytes",
            baseline=body,
            candidate=body,
            outcome=Outcome.EQUIVALENT,
            bound=EQUAL,
        ),
        Case(
            name="equal but for a newline at the end",
            baseline=body + b"\n",
            candidate=body,
            outcome=Outcome.EQUIVALENT,
            bound=EQUAL,
        ),
        Case(
            name="equal but for key order and white space",
            baseline=body + b"\n",
            candidate=respelled,
            outcome=Outcome.EQUIVALENT,
            bound=EQUAL,
        ),
        *(
            Case(
                name=f"{count} difference{'s' if count > 1 else ''}",
                baseline=body + b"\n",
                candidate=other,
                outcome=Outcome.DIVERGENT,
                bound=different if count == 1 else None,
            )
            for count, other in changed.items()
        ),
        noisy(page, rng),
    ]


def noisy(page: dict[str, Any], rng: random.Random) -> Case:
    """A time in every item that is another in every answer, as learned from Go against Go."""

    def touched() -> bytes:
        return traffic.text(traffic.varied(page, lambda other: _touch(other, rng)))

    noise = NoiseProfile()
    for _ in range(LEARNED):
        pair = answer(touched(), candidate=False), answer(touched(), candidate=False)
        learn(ENDPOINT, *pair, noise, BY_POSITION)
    return Case(
        name="a noisy time in every item",
        baseline=touched(),
        candidate=touched(),
        outcome=Outcome.EQUIVALENT,
        bound=NOISY,
        noise=noise,
    )


def _touch(page: dict[str, Any], rng: random.Random) -> None:
    for each in page["items"]:
        each["updated_at"] = traffic.moment(rng)


def _backwards(value: Any) -> Any:
    """The same value with the members of every object in opposite order."""
    if isinstance(value, dict):
        return {name: _backwards(value[name]) for name in reversed(value)}
    return [_backwards(each) for each in value] if isinstance(value, list) else value


def reordered(sizes: measure.Sizes) -> list[Figure]:
    """Shuffled lists with every tenth item changed; the longest ones also by key and position."""
    found = []
    known: tuple[int, tuple[float, ...]] | None = None
    if max(sizes.lists) > sizes.longest_for_deepdiff and sizes.longest_for_deepdiff:
        case = shuffled(sizes.longest_for_deepdiff, UNORDERED, "as a multiset")
        (theirs,) = measure.in_turns(sizes.rounds, measure.timed(case.deepdiff(ignore_order=True)))
        known = sizes.longest_for_deepdiff, theirs
    for count in sizes.lists:
        case = shuffled(count, UNORDERED, "as a multiset")
        if known is None or count <= known[0]:
            ours, theirs = measure.in_turns(
                sizes.rounds,
                measure.timed(case.judge),
                measure.timed(case.deepdiff(ignore_order=True)),
            )
            note = ""
        else:
            (ours,) = measure.in_turns(sizes.rounds, measure.timed(case.judge))
            theirs = tuple(each * (count / known[0]) ** 2 for each in known[1])
            note = f"DeepDiff extrapolated from {known[0]} items"
        found.append(_list_figure(case, count, ours, theirs, note))
    longest = max(sizes.lists)
    for policy, name in ((KEYED, "by key"), (BY_POSITION, "by position")):
        case = shuffled(longest, policy, name)
        (ours,) = measure.in_turns(sizes.rounds, measure.timed(case.judge))
        found.append(_list_figure(case, longest, ours, (), ""))
    return found


def shuffled(count: int, policy: Policy, name: str) -> Case:
    """A list in another order, every tenth item changed."""
    rng = random.Random(traffic.SEED)
    page = {"items": [traffic.item(rng) for _ in range(count)]}

    def shuffle(other: dict[str, Any]) -> None:
        for each in other["items"][::MOVED]:
            each["price_cents"] += 1
        rng.shuffle(other["items"])

    return Case(
        name=name,
        baseline=traffic.text(page) + b"\n",
        candidate=traffic.text(traffic.varied(page, shuffle)),
        outcome=Outcome.DIVERGENT,
        bound=REORDERED if count >= BOUND_AT else None,
        policy=policy,
    )


def _list_figure(
    case: Case, count: int, ours: tuple[float, ...], theirs: tuple[float, ...], note: str
) -> Figure:
    return Figure(
        area="compare",
        what=f"compare, reordered list of {count:,}, a tenth changed, {case.name}",
        unit="s",
        shadow=ours,
        against="DeepDiff, ignore_order" if theirs else "",
        other=theirs,
        bound=case.bound,
        note=note,
        wrong=case.wrong(),
    )
