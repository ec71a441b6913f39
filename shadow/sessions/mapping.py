"""Which value of the candidate stands for which of the baseline, one to one in a session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from shadow.compare.difference import Difference
from shadow.compare.divergence import place_of
from shadow.compare.json_text import Json, Number, to_text
from shadow.compare.paths import Path
from shadow.model import Where
from shadow.sessions.pieces import LONGEST, are_specific, replaced
from shadow.sessions.places import Found

MAX_PAIRS: Final = 10_000
"""Of a session; those beyond are compared as they stand."""
_WHOLE_BODY: Final = 1_024
"""Characters from which on the text of a whole body may have been cut, at 4,096 bytes."""
ANYWHERE: Final = ""
"""The scope of specific values."""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A pair that does not go with one before: two things share a value, or one has two."""

    where: Where
    path: Path = ()
    name: str | None = None
    """The place where it is no path of JSON."""
    baseline: str
    candidate: str


class Mapping(msgspec.Struct):
    """The pairs of a session, and what broke them in the exchange that is judged now.

    A value that is specific, like a token, means one thing wherever it stands. One that is not,
    like the number 7, does so only by the rule and under the name that it was made by: its scope.
    Two tables count each for itself.
    """

    ours: dict[tuple[str, str], str] = {}
    """By scope and the baseline's value: the candidate's."""
    theirs: dict[tuple[str, str], str] = {}
    """The other way."""
    rules: dict[tuple[str, str], str] = {}
    """By scope and the baseline's value: the rule that it came by."""
    scopes: dict[str, list[str]] = {}
    """By name, the scopes of what was made under it."""
    broken: list[Broken] = []
    fresh: list[tuple[tuple[str, str], tuple[str, str]]] = []
    """The pairs that came with the exchange that is judged now."""

    def begin(self) -> None:
        """Take that another exchange is judged."""
        self.broken, self.fresh = [], []

    def before(self) -> Mapping:
        """The pairs without those of the exchange that is judged now: it was asked again."""
        found = Mapping(
            ours=dict(self.ours),
            theirs=dict(self.theirs),
            rules=dict(self.rules),
            scopes={name: list(scopes) for name, scopes in self.scopes.items()},
        )
        for mine, other in self.fresh:
            del found.ours[mine], found.theirs[other], found.rules[mine]
        return found

    def add(self, rule: str, found: Found, candidate: str) -> bool:
        """Take a pair; False where one of the two has another partner, who stays.

        `found` is the baseline's value.
        """
        specific = are_specific(found.text, candidate)
        name = _name(found)
        scope = ANYWHERE if specific else f"{rule} {name}"
        mine, other = (scope, found.text), (scope, candidate)
        if self.ours.get(mine, candidate) != candidate:
            return False
        if self.theirs.get(other, found.text) != found.text:
            return False
        if mine not in self.ours and len(self.ours) < MAX_PAIRS:
            self.ours[mine] = candidate
            self.theirs[other] = found.text
            self.rules[mine] = rule
            self.fresh.append((mine, other))
            if not specific and scope not in self.scopes.setdefault(name, []):
                self.scopes[name].append(scope)
        return True

    def alias(self, value: str) -> str:
        """The baseline's value for a specific one of the candidate, or the value itself."""
        return self.theirs.get((ANYWHERE, value), value)

    def applied(self, differences: Sequence[Difference]) -> list[Difference]:
        """The differences, those that the pairs explain allowed, those that break them so named."""
        found = [self._applied(each) for each in differences]
        if self.ours:
            self._pair_members(found)
        return [*found, *self._unseen(found)]

    def _pair_members(self, found: list[Difference]) -> None:
        """Allow members that are called by ids, gone on one side and extra on the other."""
        gone = {
            each.path: number
            for number, each in enumerate(found)
            if each.kind == "missing" and each.path and isinstance(each.path[-1], str)
        }
        for number, each in enumerate(found):
            if each.kind != "extra" or not each.path or not isinstance(each.path[-1], str):
                continue
            key = self.alias(each.path[-1])
            other = gone.get((*each.path[:-1], key))
            if other is None or key == each.path[-1]:
                continue
            text = to_text(found[other].baseline, LONGEST)
            # What is as long has been cut: nothing is known of what lies behind.
            if len(text) < LONGEST and self._translated(each.candidate) == text:
                rule = f"correlate:{self.rules[ANYWHERE, key]}"
                for one in (number, other):
                    found[one] = msgspec.structs.replace(found[one], rule=rule)

    def _translated(self, value: Json) -> str:
        """The JSON text of the candidate's value as the baseline would write it."""
        text = to_text(value, LONGEST)
        return replaced(text, lambda part: self.theirs.get((ANYWHERE, part))) or text

    def _applied(self, difference: Difference) -> Difference:
        mine, other = _text(difference.baseline), _text(difference.candidate)
        if mine is None or other is None or difference.kind != "value_changed":
            return difference
        if difference.unfinished or _may_be_cut(difference, mine, other):
            return difference
        if isinstance(difference.baseline, Number) != isinstance(difference.candidate, Number):
            return difference
        scopes = self.scopes.get(_member(difference), [])
        rule = self._explains(mine, other, scopes)
        if rule is not None:
            return msgspec.structs.replace(difference, rule=f"correlate:{rule}")
        for each in (ANYWHERE, *scopes):
            ours, theirs = self.ours.get((each, mine), other), self.theirs.get((each, other), mine)
            if ours != other or theirs != mine:
                return msgspec.structs.replace(difference, kind="mapping_broken", detail=None)
        return difference

    def _explains(self, mine: str, other: str, scopes: Iterable[str]) -> str | None:
        """The rule by whose values the two texts say the same."""
        for scope in scopes:  # two may know the value, each as another one
            if self.theirs.get((scope, other)) == mine:
                return self.rules[scope, mine]
        used: list[str] = []

        def own(part: str) -> str | None:
            for scope in (ANYWHERE, *scopes):
                known = self.theirs.get((scope, part))
                if known is not None:
                    used.append(self.rules[scope, known])
                    return known
            return None

        return used[0] if replaced(other, own) == mine else None

    def _unseen(self, differences: Iterable[Difference]) -> list[Difference]:
        """The broken pairs at whose place nothing differs."""
        if not self.broken:
            return []
        seen = {place_of(each)[0] for each in differences}
        made = [
            Difference(
                where=each.where,
                kind="mapping_broken",
                path=each.path,
                name=each.name,
                baseline=each.baseline,
                candidate=each.candidate,
            )
            for each in self.broken
        ]
        return [each for each in made if place_of(each)[0] not in seen]


def _may_be_cut(difference: Difference, mine: str, other: str) -> bool:
    """Whether the texts are beginnings of bodies, and what follows may differ too."""
    is_whole = difference.where == "body" and difference.name is not None
    return is_whole and max(len(mine), len(other)) >= _WHOLE_BODY


def _name(found: Found) -> str:
    """The name that a value stands under."""
    names = [step for step in found.path if isinstance(step, str)]
    return names[-1] if names else found.place.name


def _member(difference: Difference) -> str:
    names = [step for step in difference.path if isinstance(step, str)]
    return names[-1] if names else (difference.name or "").removeprefix("set-cookie/")


def _text(value: Any) -> str | None:
    return value.lexeme if isinstance(value, Number) else value if isinstance(value, str) else None
