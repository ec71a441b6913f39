"""Two observations → differences. Pure: no I/O, no clock but the budget's."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from shadow.compare.bodies import compare_bodies
from shadow.compare.codecs.content import MessageType
from shadow.compare.difference import Difference
from shadow.compare.headers import compare_headers
from shadow.compare.rules import ListRule, Rules, parse_pattern
from shadow.compare.walk import NO_RULES, Budget
from shadow.model import Answer, NoAnswer, Observation, Response


class CompareOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds, and the comparing rules by endpoint (`*` holds at every endpoint)."""

    budget: Budget = Budget()
    max_decoded: int = 128 * 1024 * 1024
    """Bytes a body may have after content-decoding."""
    rules: dict[str, Rules] = {}
    messages: dict[str, MessageType] = {}
    """What Protobuf bodies are, by endpoint."""

    def rules_at(self, endpoint: str) -> Rules:
        """The rules of an endpoint."""
        return self.rules.get(endpoint) or self.rules.get("*", NO_RULES)

    def message_at(self, endpoint: str) -> MessageType | None:
        """The Protobuf message that an endpoint answers with."""
        return self.messages.get(endpoint) or self.messages.get("*")

    def with_noise(
        self, endpoint: str, lists: tuple[str, ...], noisy: Callable[[str], bool]
    ) -> CompareOptions:
        """The options with what is known of an endpoint's noise.

        The lists at these path patterns are matched as multisets, and differences at a noisy
        path pattern are not counted.
        """
        rules = self.rules_at(endpoint)
        unordered = tuple(ListRule(path=parse_pattern(path), unordered=True) for path in lists)
        changed = msgspec.structs.replace(rules, lists=(*rules.lists, *unordered), noisy=noisy)
        return msgspec.structs.replace(self, rules={**self.rules, endpoint: changed})

    def with_alias(self, endpoint: str, alias: Callable[[str], str]) -> CompareOptions:
        """The options with what the candidate's keys of list items are called by the baseline."""
        changed = msgspec.structs.replace(self.rules_at(endpoint), alias=alias)
        return msgspec.structs.replace(self, rules={**self.rules, endpoint: changed})


DEFAULTS = CompareOptions()


def compare(
    baseline: Observation,
    candidate: Observation,
    endpoint: str = "",
    options: CompareOptions = DEFAULTS,
) -> list[Difference]:
    """Every difference between what two services did with one request."""
    if isinstance(baseline, Answer) and isinstance(candidate, Answer):
        return compare_responses(baseline.response, candidate.response, endpoint, options)
    return [_no_answer(baseline, candidate)]


def compare_responses(
    baseline: Response, candidate: Response, endpoint: str, options: CompareOptions
) -> list[Difference]:
    """Every difference of two responses. A body cut short on either side is not compared.

    Nor are headers where one side was recorded without any, as an access log does.
    """
    found: list[Difference] = []
    if baseline.status != candidate.status:
        found.append(
            Difference(
                where="status",
                kind="value_changed",
                name="",
                baseline=str(baseline.status),
                candidate=str(candidate.status),
                detail=(baseline.status, candidate.status),
            )
        )
    if not any(side.truncated and not side.headers for side in (baseline, candidate)):
        found.extend(compare_headers(baseline, candidate))
    if not baseline.truncated and not candidate.truncated:
        found.extend(_bodies(baseline, candidate, endpoint, options))
    return found


def _bodies(
    baseline: Response, candidate: Response, endpoint: str, options: CompareOptions
) -> list[Difference]:
    if baseline.body == candidate.body and baseline.headers == candidate.headers:
        return []
    return compare_bodies(
        baseline,
        candidate,
        options.rules_at(endpoint),
        options.budget,
        bound=options.max_decoded,
        message=options.message_at(endpoint),
    )


def _no_answer(baseline: Observation, candidate: Observation) -> Difference:
    def told(side: Observation) -> str:
        if isinstance(side, NoAnswer):
            return f"{side.kind}: {side.detail}" if side.detail else side.kind
        return f"HTTP {side.response.status}"

    failed = candidate if isinstance(candidate, NoAnswer) else baseline
    assert isinstance(failed, NoAnswer)
    kind: str = failed.kind if failed is candidate else f"baseline-{failed.kind}"
    return Difference(
        where="transport",
        kind="no_answer",
        name="",
        baseline=told(baseline),
        candidate=told(candidate),
        detail=kind,
    )
