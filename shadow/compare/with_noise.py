"""Comparing where the baseline is known to differ from itself, and finding out where it does."""

from __future__ import annotations

from collections import Counter

from shadow.compare import CompareOptions, compare
from shadow.compare.difference import Difference
from shadow.compare.divergence import DIVERGENT, divergence_of, excused
from shadow.compare.noise import NoiseProfile
from shadow.compare.policy import Policy
from shadow.model import Answer, Divergence, Observation


def with_noise(
    options: CompareOptions, endpoint: str, noise: NoiseProfile | None
) -> CompareOptions:
    """The options with what is known of the endpoint's noise."""
    if noise is None or endpoint not in noise.endpoints:
        return options

    def is_noisy(path_pattern: str) -> bool:
        return noise.is_noisy(endpoint, "body", path_pattern)

    return options.with_noise(endpoint, noise.unordered(endpoint), is_noisy)


def learn(
    endpoint: str, first: Observation, second: Observation, noise: NoiseProfile, policy: Policy
) -> None:
    """Learn from what the baseline answered twice to one request."""
    found = unlike(endpoint, first, second, noise, policy)
    if found is not None:
        noise.learn(endpoint, found)


def unlike(
    endpoint: str,
    first: Observation,
    second: Observation,
    noise: NoiseProfile,
    policy: Policy,
    *,
    whole: bool = False,
) -> tuple[Divergence, ...] | None:
    """What differs between two answers of the baseline, for `NoiseProfile.learn`.

    None where it did not answer twice, and with `whole` where comparing stopped at its budget.
    Pure: the profile is only read.
    """
    if not isinstance(first, Answer) or not isinstance(second, Answer):
        return None
    options = with_noise(policy.compare, endpoint, noise)
    differences = compare(first, second, endpoint, options)
    if whole and any(difference.unfinished for difference in differences):
        return None
    if first.response.status != second.response.status:
        # What else differs then is another kind of answer, not another value of this one.
        differences = [difference for difference in differences if difference.where == "status"]
    return tuple(divergence_of(difference, endpoint) for difference in differences)


def without_item_floods(
    divergences: tuple[Divergence, ...], endpoint: str, noise: NoiseProfile
) -> tuple[Divergence, ...]:
    """Items that a list lacks or has too much are noise only in the number two baselines show."""
    counts: Counter[tuple[str, str]] = Counter(
        (each.path_pattern, each.kind)
        for each in divergences
        if each.verdict == "noise" and each.kind in ("missing", "extra")
    )
    return tuple(
        excused(each, DIVERGENT)
        if each.verdict == "noise"
        and each.path_pattern.endswith("[*]")
        and counts[each.path_pattern, each.kind] > noise.most_items(endpoint, each)
        else each
        for each in divergences
    )


def cut_after(
    most: int, divergences: tuple[Divergence, ...], endpoint: str
) -> tuple[Divergence, ...]:
    """The divergences up to the one too many of a body at noisy places that no noise excuses."""
    failing = [
        index
        for index, each in enumerate(divergences)
        if each.verdict == "divergent" and each.where == "body" and each.kind != "over_budget"
    ]
    if len(failing) <= most:
        return divergences
    told = f"comparing stopped: more than {most} differences"
    over = Difference(where="body", kind="over_budget", baseline=told, candidate=told)
    return (*divergences[: failing[most]], divergence_of(over, endpoint))
