"""What a judgement goes by."""

from __future__ import annotations

import msgspec

from shadow.compare import DEFAULTS, CompareOptions
from shadow.compare.accept import AcceptRule
from shadow.compare.classes.base import DivergenceClass, PolicyName


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the judge goes by."""

    compare: CompareOptions = DEFAULTS
    classes: dict[tuple[str, str], PolicyName] = {}
    """Policies that differ from a class's own, by (class id, endpoint or `*`)."""
    accept: tuple[AcceptRule, ...] = ()
    """Rules that have not expired, in the order of the file."""
    all_events: bool = False
    """Header spellings become divergences of their own instead of tallies."""

    def of_class(self, cls: DivergenceClass, endpoint: str) -> PolicyName | None:
        """What the config says of a class at an endpoint, where it says something."""
        return self.classes.get((cls.id, endpoint)) or self.classes.get((cls.id, "*"))


def within(
    policy: Policy, *, nodes: int, seconds: float, items: int, octets: int, differences: int = 1_000
) -> Policy:
    """The policy with a smaller budget, for where judging must not take long.

    A judgement under it is the policy's own, or says `over_budget`. `octets` bounds a body as
    it is compared: after content-decoding, if it has a coding.
    """
    options = policy.compare
    budget = msgspec.structs.replace(
        options.budget,
        nodes=min(nodes, options.budget.nodes),
        seconds=min(seconds, options.budget.seconds),
        items=min(items, options.budget.items),
        octets=octets if options.budget.octets is None else min(octets, options.budget.octets),
        differences=min(differences, options.budget.differences),
    )
    max_decoded = min(octets, options.max_decoded)
    smaller = msgspec.structs.replace(options, budget=budget, max_decoded=max_decoded)
    return msgspec.structs.replace(policy, compare=smaller)
