from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shadow.judge import with_repeats
from shadow.model import Divergence, Judgement, Outcome, Verdict


def judgement(*signatures: str, verdict: Verdict = "divergent") -> Judgement:
    divergences = tuple(
        Divergence(
            where="body",
            kind="value_changed",
            path="$",
            path_pattern="$",
            signature=each,
            baseline="1",
            candidate="2",
            verdict=verdict,
        )
        for each in signatures
    )
    outcome = Outcome.DIVERGENT if divergences and verdict == "divergent" else Outcome.MATCH
    if divergences and verdict != "divergent":
        outcome = Outcome.EQUIVALENT
    return Judgement(outcome=outcome, divergences=divergences)


def test_what_every_answer_shows_is_stable_and_what_some_show_is_not() -> None:
    found = with_repeats(judgement("a", "b"), [judgement("a"), judgement("a", "c")])
    assert [(each.signature, each.unstable) for each in found.divergences] == [
        ("a", False),
        ("b", True),
        ("c", True),
    ]


def test_what_only_a_repetition_shows_makes_the_exchange_divergent() -> None:
    found = with_repeats(judgement(), [judgement("a")])
    assert found.outcome == Outcome.DIVERGENT
    assert found.divergences[0].unstable


def test_what_is_excused_is_not_called_unstable() -> None:
    found = with_repeats(judgement("a", verdict="noise"), [judgement()])
    assert found.outcome == Outcome.EQUIVALENT
    assert not found.divergences[0].unstable


def test_what_cannot_be_compared_stays_so() -> None:
    first = Judgement(outcome=Outcome.INCOMPARABLE, reason="no-answer")
    assert with_repeats(first, [judgement("a")]) is first


def test_a_repetition_that_cannot_be_compared_says_nothing() -> None:
    cut = Judgement(outcome=Outcome.INCOMPARABLE, reason="truncated")
    found = with_repeats(judgement("a"), [cut, judgement("a")])
    assert not found.divergences[0].unstable


signatures = st.lists(st.sampled_from("abc"), unique=True, max_size=3)


@given(signatures, st.lists(signatures, max_size=4))
def test_nothing_is_lost_and_stable_is_what_all_have(
    first: list[str], others: list[list[str]]
) -> None:
    found = with_repeats(judgement(*first), [judgement(*each) for each in others])
    assert {each.signature for each in found.divergences} == set(first).union(*others)
    stable = {each.signature for each in found.divergences if not each.unstable}
    assert stable == set(first).intersection(*others)
