"""Walks two JSON documents and yields every difference. The walk decides what differs.

It never recurses, so any depth is safe; it counts what it visits against a `Budget`.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any, Final

import msgspec

from shadow.compare import diff
from shadow.compare.difference import ABSENT, Around, Difference
from shadow.compare.json_text import (
    Document,
    Json,
    Number,
    Repeated,
    decimal_key,
    escapes,
    json_type,
    read_exact,
)
from shadow.compare.paths import Step, pattern, unlink
from shadow.compare.rules import ListRule, Rules, key_of


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What comparing one body may cost; beyond it one coarse `over_budget` is reported.

    What is told within a budget is told within every larger one; what is `unfinished` may not.
    """

    nodes: int = 2_000_000
    seconds: float = 5.0
    differences: int = 1_000
    items: int = diff.MAX_ITEMS
    """Items of a list, on either side, that are aligned; never more than `diff.MAX_ITEMS`."""
    octets: int = sys.maxsize
    """Bytes of a body that is read at all: after content-decoding, if it has a coding."""

    def at_most(self, other: Budget) -> Budget:
        """The smaller of both in each respect."""
        return Budget(
            nodes=min(self.nodes, other.nodes),
            seconds=min(self.seconds, other.seconds),
            differences=min(self.differences, other.differences),
            items=min(self.items, other.items),
            octets=min(self.octets, other.octets),
        )


class OverBudgetError(Exception):
    """Comparing the body costs more than it may."""


NO_RULES: Final = Rules()
NOISY_SHARE: Final = 5
"""Times the differences that count that may be found in all."""
encode: Final = msgspec.msgpack.Encoder(enc_hook=str).encode
Work = tuple[Step | None, Any, Any, tuple[Any, Any] | Around | None]


def walk(
    baseline: Document,
    candidate: Document,
    rules: Rules = NO_RULES,
    budget: Budget | None = None,
) -> list[Difference]:
    """Every difference of two documents: values first, spellings of equal values too.

    No difference other than kind `spelling` exactly when the values are type-strictly equal.
    """
    if baseline.text == candidate.text:
        return []
    if escapes(baseline.text) != escapes(candidate.text):
        baseline, candidate = read_exact(baseline.text), read_exact(candidate.text)
    walked = Walk(baseline.value, candidate.value, rules, budget or Budget())
    walked.repeats = baseline.repeats or candidate.repeats
    walked.spelled = "\\" in baseline.text or "\\" in candidate.text
    return walked.run()


class Walk:
    """One walk over two values."""

    def __init__(self, baseline: Json, candidate: Json, rules: Rules, budget: Budget) -> None:
        self.rules = rules
        self.budget = budget
        self.repeats = False
        """Some object repeats a name."""
        self.spelled = False
        """Some text is spelled with escapes."""
        self.found: list[Difference] = []
        self.nodes = 0
        self.spellings = 0
        self.counted = 0
        """Differences that count for the budget, this one included."""
        self.recounted = False
        """There are too many of them, unless those at noisy places are left out of the count."""
        self.deadline = time.perf_counter() + budget.seconds
        self.stack: list[Work] = [(None, baseline, candidate, None)]

    def run(self) -> list[Difference]:
        """Every difference, in the order of the baseline."""
        try:
            while self.stack:
                self.visit(*self.stack.pop())
        except OverBudgetError as over:
            self.found.append(
                Difference(
                    where="body",
                    kind="over_budget",
                    baseline=f"comparing stopped: {over}",
                    candidate=f"comparing stopped: {over}",
                    unfinished=True,
                )
            )
        return self.found

    # The seams: what `parts.PartWalk` does in another way.

    def visit(self, step: Step | None, left: Json, right: Json, around: Any) -> None:
        """Compare what stands at one place on both sides; what it holds is put on the stack."""
        self.spend(1)
        if isinstance(left, dict) and isinstance(right, dict):
            if not self._same(left, right):
                self._objects(step, left, right)
        elif isinstance(left, list) and isinstance(right, list):
            if not self._same(left, right):
                self._lists(step, left, right)
        else:
            self.leaves(step, left, right, around)

    def read(self, value: Any) -> Json:
        """The value that stands there: it is read already."""
        return value

    # What both walks call.

    def spend(self, nodes: int) -> None:
        """Count values that are looked at. Raises OverBudgetError."""
        before = self.nodes
        self.nodes += nodes
        if self.nodes > self.budget.nodes:
            raise OverBudgetError(f"more than {self.budget.nodes} values")
        if self.nodes >> 10 != before >> 10 and time.perf_counter() > self.deadline:
            raise OverBudgetError(f"more than {self.budget.seconds:g} s")

    def leaves(self, step: Step | None, left: Json, right: Json, around: Any) -> None:
        """Compare two values of which at least one is no container, or two of different kinds."""
        both_text = isinstance(left, str) and isinstance(right, str)
        types = ("string", "string") if both_text else (json_type(left), json_type(right))
        if types[0] != types[1]:
            self._leaf("type_changed", step, left, right, around, types)
        elif isinstance(left, Number):
            if left.lexeme != right.lexeme:
                equal = decimal_key(left.lexeme) == decimal_key(right.lexeme)
                kind = "spelling" if equal else "value_changed"
                self._leaf(kind, step, left, right, around, spelling="number" if equal else None)
        elif left != right:
            self._leaf("value_changed", step, left, right, around)
        elif getattr(left, "lexeme", None) != getattr(right, "lexeme", None):
            self._leaf("spelling", step, left, right, around, spelling="escape")

    def one_sided(self, kind: Any, step: Step, value: Json, around: Any) -> None:
        """What only one side has."""
        absent, present = (value, ABSENT) if kind == "missing" else (ABSENT, value)
        self._add(
            Difference(
                where="body",
                kind=kind,
                path=unlink(step),
                baseline=absent,
                candidate=present,
                around=around,
            )
        )

    def one_sided_items(self, step: Step | None, left: list[Json], right: list[Json]) -> None:
        """The items by which one list is longer than the other."""
        shortest = min(len(left), len(right))
        for index in range(shortest, len(left)):
            self.one_sided("missing", Step(step, index), self.read(left[index]), None)
        for index in range(shortest, len(right)):
            self.one_sided("extra", Step(step, index), self.read(right[index]), None)

    def pairs(
        self, step: Step | None, left: list[Json], right: list[Json], pairs: list[tuple[int, int]]
    ) -> None:
        """Walk into items that stand for each other; the path is the baseline's position."""
        self.stack.extend(
            (Step(step, ours), left[ours], right[theirs], None) for ours, theirs in reversed(pairs)
        )

    def list_rule(self, step: Step | None) -> ListRule | None:
        """How the items of the list there are matched, where a rule says it."""
        return self.rules.for_list(unlink(step)) if self.rules.lists else None

    # What only this one calls.

    def _add(self, difference: Difference) -> None:
        """Keep a difference. Raises OverBudgetError where there are too many."""
        if difference.kind == "spelling":
            self.spellings += 1
            if self.spellings <= self.budget.differences:
                self.found.append(difference)
            elif self.spellings == self.budget.differences + 1:
                self._cut_spellings()
            return
        self.counted += 1
        too_many = self.counted > self.budget.differences or self.recounted
        if too_many and not self._may_stand(difference):
            raise OverBudgetError(f"more than {self.budget.differences} differences")
        self.found.append(difference)

    def _may_stand(self, difference: Difference) -> bool:
        """Whether one beyond the budget is kept: at a noisy place, or because others are at one."""
        noisy = self.rules.noisy
        most = self.budget.differences
        if noisy is None or len(self.found) >= most * NOISY_SHARE:
            return False
        if not self.recounted:
            self.recounted = True
            self.counted = 1 + sum(
                each.kind != "spelling" and not noisy(pattern(each.path)) for each in self.found
            )
        if noisy(pattern(difference.path)):
            self.counted -= 1
            return True
        return self.counted <= most

    def _cut_spellings(self) -> None:
        """Say, at the last one, that there are more spellings than are listed."""
        last = max(i for i, each in enumerate(self.found) if each.kind == "spelling")
        self.found[last] = msgspec.structs.replace(self.found[last], unfinished=True)

    def _same(self, left: Json, right: Json) -> bool:
        """Nothing to report below: equal values in one spelling (C speed, else False)."""
        if self.repeats or self.spelled:
            return False
        try:
            return bool(left == right) and encode(left) == encode(right)
        except (RecursionError, UnicodeEncodeError):
            return False

    def _leaf(  # noqa: PLR0917 - the order is that of the work item
        self,
        kind: Any,
        step: Step | None,
        left: Json,
        right: Json,
        around: Any,
        detail: tuple[str, str] | None = None,
        spelling: str | None = None,
    ) -> None:
        """A difference of two values; a tolerance may allow it."""
        path = unlink(step)
        rule = None
        if kind in ("value_changed", "type_changed"):
            tolerance = self.rules.tolerance(path, left, right)
            rule = f"tolerance:{tolerance.path.text}" if tolerance else None
        self._add(
            Difference(
                where="body",
                kind=kind,
                path=path,
                baseline=left,
                candidate=right,
                detail=detail,
                around=around,
                spelling=spelling,
                rule=rule,
            )
        )

    def _objects(self, step: Step | None, left: dict[str, Json], right: dict[str, Json]) -> None:
        """Compare two objects member by member, their names, and the order of those."""
        around = (left, right)
        self._repeated_names(step, left, right)
        work: list[Work] = []
        plain = not (self.repeats or self.spelled)
        for key, value in left.items():
            if key in right:
                other = right[key]
                same = plain and not isinstance(value, dict | list) and value == other
                if not same:
                    work.append((Step(step, key), value, other, around))
            else:
                self.one_sided("missing", Step(step, key), value, around)
        for key, value in right.items():
            if key not in left:
                self.one_sided("extra", Step(step, key), value, around)
        self.spend(len(work))
        shared = [key for key in left if key in right]
        if shared != [key for key in right if key in left]:
            self._leaf("spelling", step, left, right, around, spelling="object-key-order")
        self.stack.extend(reversed(work))

    def _repeated_names(self, step: Step | None, left: Json, right: Json) -> None:
        """A name that one side gives more often than the other."""
        if not isinstance(left, Repeated) and not isinstance(right, Repeated):
            return
        counts = [
            Counter(key for key, _ in side.pairs)
            if isinstance(side, Repeated)
            else Counter(side.keys())
            for side in (left, right)
        ]
        for key in counts[0].keys() & counts[1].keys():
            more = counts[1][key] - counts[0][key]
            if more:
                self._add(
                    Difference(
                        where="body",
                        kind="extra" if more > 0 else "missing",
                        path=unlink(Step(step, key)),
                        baseline=left,
                        candidate=right,
                        detail="repeated",
                        around=(left, right),
                    )
                )
            elif counts[0][key] > 1:
                self._repeated_values(step, key, left, right)

    def _repeated_values(self, step: Step | None, key: str, left: Json, right: Json) -> None:
        """The values of a name that both sides repeat as often; the last is walked anyway."""
        pairs = [
            [value for name, value in side.pairs if name == key][:-1] for side in (left, right)
        ]
        for value, other in zip(*pairs, strict=True):
            self.stack.append((Step(step, key), value, other, (left, right)))

    def _lists(self, step: Step | None, left: list[Json], right: list[Json]) -> None:
        """Match the items of two lists: by a rule, by position, or as they moved."""
        self.spend(len(left) + len(right))
        rule = self.list_rule(step)
        if rule is not None:
            self._ruled(rule, step, left, right)
            return
        if len(left) == len(right) and self._still(left, right):
            self.pairs(step, left, right, [(i, i) for i in range(len(left))])
            return
        ours, theirs = diff.tokens(left, right, repeats=self.repeats)
        if not diff.moved(ours, theirs):
            self._by_position(step, left, right)
        elif len(ours) == len(theirs) and Counter(ours) == Counter(theirs):
            self._whole_list("reordered", step, left, right)
        else:
            self._aligned(step, left, right, self._alignment(ours, theirs))

    def _still(self, left: list[Json], right: list[Json]) -> bool:
        """Cheap proof that no item moved: at most one position differs."""
        if self.repeats:
            return False
        try:
            return sum(map(_differs, left, right)) <= 1
        except RecursionError:
            return True

    def _by_position(self, step: Step | None, left: list[Json], right: list[Json]) -> None:
        """Items stand for each other where they stand."""
        self.one_sided_items(step, left, right)
        self.pairs(step, left, right, [(i, i) for i in range(min(len(left), len(right)))])

    def _alignment(self, ours: list[int], theirs: list[int]) -> diff.Alignment | None:
        """How items moved. Raises OverBudgetError where the budget does not allow to ask."""
        try:
            return diff.align(ours, theirs, self.budget.items)
        except diff.TooLongError:
            raise OverBudgetError(f"more than {self.budget.items} items to align") from None

    def _aligned(
        self,
        step: Step | None,
        left: list[Json],
        right: list[Json],
        alignment: diff.Alignment | None,
    ) -> None:
        """Items stand for each other as they were aligned; None: the lists are told as wholes."""
        if alignment is None:
            self._whole_list("length_changed", step, left, right)
            return
        for index in alignment.removed:
            self.one_sided("missing", Step(step, index), left[index], None)
        for index in alignment.added:
            self.one_sided("extra", Step(step, index), right[index], None)
        self.pairs(step, left, right, list(alignment.changed))

    def _whole_list(self, kind: Any, step: Step | None, left: Json, right: Json) -> None:
        """One difference for two lists."""
        if kind == "length_changed" and len(left) == len(right):
            kind = "value_changed"
        self._add(
            Difference(where="body", kind=kind, path=unlink(step), baseline=left, candidate=right)
        )

    def _ruled(
        self, rule: ListRule, step: Step | None, left: list[Json], right: list[Json]
    ) -> None:
        """Match items as a list rule says."""
        if rule.key is None:
            self._multiset(step, left, right)
            return
        alias = self.rules.alias
        keys = [key_of(item, rule.key) for item in right]
        if alias is not None:
            keys = [alias(key) if isinstance(key, str) else key for key in keys]
        ours, theirs = diff.tokens([key_of(item, rule.key) for item in left], keys)
        self._keyed(step, (left, ours), (right, theirs))

    def _keyed(
        self,
        step: Step | None,
        baseline: tuple[list[Json], list[int]],
        candidate: tuple[list[Json], list[int]],
    ) -> None:
        """Match items by key: the n-th item of a key stands for the n-th of the other side."""
        (left, ours), (right, theirs) = baseline, candidate
        places: dict[int, list[int]] = {}
        for index in range(len(right) - 1, -1, -1):
            places.setdefault(theirs[index], []).append(index)
        pairs = []
        for index, key in enumerate(ours):
            if places.get(key):
                pairs.append((index, places[key].pop()))
            else:
                self.one_sided("missing", Step(step, index), left[index], None)
        for index in sorted(index for rest in places.values() for index in rest):
            self.one_sided("extra", Step(step, index), right[index], None)
        self.pairs(step, left, right, pairs)

    def _multiset(self, step: Step | None, left: list[Json], right: list[Json]) -> None:
        """Match equal items wherever they stand; what is left over pairs up in order."""
        ours, theirs = diff.tokens(left, right, repeats=self.repeats)
        extra = Counter(theirs)
        rest_left = []
        for index, token in enumerate(ours):
            if extra[token]:
                extra[token] -= 1
            else:
                rest_left.append(index)
        rest_right = []
        for index in range(len(theirs) - 1, -1, -1):
            if extra[theirs[index]]:
                extra[theirs[index]] -= 1
                rest_right.append(index)
        rest_right.reverse()
        paired = min(len(rest_left), len(rest_right))
        for index in rest_left[paired:]:
            self.one_sided("missing", Step(step, index), left[index], None)
        for index in rest_right[paired:]:
            self.one_sided("extra", Step(step, index), right[index], None)
        self.pairs(step, left, right, list(zip(rest_left, rest_right, strict=False)))


def _differs(left: Json, right: Json) -> bool:
    return bool(left != right)
