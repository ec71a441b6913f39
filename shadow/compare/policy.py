"""What a judgement goes by."""

from __future__ import annotations

import msgspec

from shadow.compare import DEFAULTS, CompareOptions
from shadow.compare.accept import AcceptRule
from shadow.compare.classes.base import DivergenceClass, PolicyName
from shadow.compare.walk import Budget


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


def within(policy: Policy, most: Budget) -> Policy:
    """The policy with a smaller budget, for where judging must not take long.

    A judgement under it is the policy's own, or says `over_budget`. The octets also bound what a
    body is decoded to.
    """
    options = policy.compare
    smaller = msgspec.structs.replace(
        options,
        budget=options.budget.at_most(most),
        max_decoded=min(options.max_decoded, most.octets),
    )
    return msgspec.structs.replace(policy, compare=smaller)
