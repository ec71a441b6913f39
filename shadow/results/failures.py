"""Which side fails more: exchanges with no answer or a 5xx, apart from how long they took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from shadow.results.bounds import at_most
from shadow.results.discovery import ALPHA, adjusted

ErrorVerdict = Literal["more", "fewer", "no-difference"]


class Failures(NamedTuple):
    """Exchanges in which a side failed, by side."""

    both: int = 0
    baseline_only: int = 0
    candidate_only: int = 0


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """How often each side failed, and whether the difference may be chance."""

    both: int
    baseline_only: int
    candidate_only: int
    verdict: ErrorVerdict
    """Whether the candidate fails `more` or `fewer`: where `q` is below 5 %."""
    p: float
    """McNemar's exact test."""
    q: float
    """`p` after Benjamini and Hochberg, over the endpoints of the run."""


def judge_errors(failures: Mapping[str, Failures]) -> dict[str, Errors]:
    """Judge who fails more, for each endpoint of which any exchange failed."""
    failing = {name: each for name, each in failures.items() if any(each)}
    p_values = [mcnemar(each.baseline_only, each.candidate_only) for each in failing.values()]
    judged: dict[str, Errors] = {}
    for (name, each), p, q in zip(failing.items(), p_values, adjusted(p_values), strict=True):
        verdict: ErrorVerdict = "no-difference"
        if q < ALPHA:
            verdict = "more" if each.candidate_only > each.baseline_only else "fewer"
        judged[name] = Errors(**each._asdict(), verdict=verdict, p=p, q=q)
    return judged


def mcnemar(baseline_only: int, candidate_only: int) -> float:
    """Return the p-value of McNemar's exact test.

    Where the sides fail equally often, an exchange that only one of them failed is as likely
    to be either's: the binomial test, two-sided, of one against the other at ½. Source:
    Fay, Two-sided exact tests and matching confidence intervals, The R Journal 2 (2010).
    """
    total = baseline_only + candidate_only
    fewer = min(baseline_only, candidate_only)
    if 2 * fewer == total:
        return 1.0
    return min(1.0, 2 * at_most(fewer, total, 0.5))
