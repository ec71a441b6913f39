"""`shadow replay --dry-run`: what would be sent where, and what would not and why."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

from shadow.captures import WHOLE, Broken, Elsewhere, Unsupported
from shadow.masking import NOTHING_MORE, Hidden, Masker
from shadow.model import Exchange, readable
from shadow.printable import printable
from shadow.replay.options import ReplayPlan
from shadow.replay.reading import LATER_S, Later, records
from shadow.replay.selection import skip_reason
from shadow.sending.choice import open_service
from shadow.sending.rewrite import Unsendable

FIRST = 5
"""Requests that are shown."""


class DryRun:
    """Counts what a replay of the plan would do. Sends nothing."""

    def __init__(self, plan: ReplayPlan, hidden: Hidden = NOTHING_MORE) -> None:
        self._plan = plan
        # Opening a service makes no connection: that is left to its first request.
        sides = (plan.baseline, plan.candidate)
        self._services = [
            open_service(replace(side, auth=None), plan.limits)
            for side in sides
            if side is not None
        ]
        self._masker = Masker(hidden=hidden)
        self.sent: Counter[str] = Counter()
        """Exchanges that would be sent, by endpoint."""
        self.skipped: Counter[str] = Counter()
        """Exchanges that would be skipped, by reason."""
        self.broken = 0
        self.sessions: set[str] = set()
        self.first: list[str] = []

    def run(self) -> str:
        """Read the captures and tell, as text, what would happen. Raises CaptureError."""
        total = 0
        for record in records(self._plan.captures, WHOLE, self._plan.selection.limit):
            if isinstance(record, Broken):
                self.broken += 1
            if isinstance(record, Later):
                time.sleep(LATER_S)
            if isinstance(record, Broken | Later | Elsewhere):
                continue
            total += 1
            if isinstance(record, Unsupported):
                self.skipped[skip_reason(record, "", self._plan.selection, may_send=False)] += 1
            else:
                self._exchange(record)
        return self._text(total)

    def _exchange(self, exchange: Exchange) -> None:
        request = exchange.request
        endpoint = self._plan.endpoints.name(request.method, request.target)
        may_send = self._plan.safety.may_send(request)
        reason = skip_reason(exchange, endpoint, self._plan.selection, may_send=may_send)
        if not reason:
            try:
                for service in self._services:
                    service.render(request)
            except Unsendable as unsendable:
                reason = unsendable.reason
        if reason:
            self.skipped[reason] += 1
            return
        self.sent[self._masker.mask_endpoint(endpoint)] += 1
        if exchange.session is not None and len(self.sessions) < 1_000_000:
            self.sessions.add(exchange.session)
        if len(self.first) < FIRST:
            target = self._masker.mask_target(readable(request.target))[:100]
            line = f"{exchange.id}  {request.method} {target}  {len(request.body)} bytes"
            self.first.append(printable(line, "?"))

    def _text(self, total: int) -> str:
        baseline = self._plan.baseline
        lines = [
            "Nothing was sent. This is what a replay would do.",
            f"baseline   {baseline.url if baseline else 'the recorded responses'}",
            f"candidate  {self._plan.candidate.url}",
            f"load       {_load(self._plan)}",
            (
                f"read {total:,} = send {sum(self.sent.values()):,}"
                f" + skip {sum(self.skipped.values()):,}"
                f" · broken {self.broken:,} · sessions {len(self.sessions):,}"
            ),
            "",
            *(f"{count:>9,}  {endpoint}" for endpoint, count in self.sent.most_common(30)),
        ]
        if len(self.sent) > 30:
            lines.append(f"           and {len(self.sent) - 30} more endpoints")
        for reason, count in self.skipped.most_common():
            lines.append(f"{count:>9,}  skipped: {reason}{_ADVICE.get(reason, '')}")
        if self.first:
            lines += ["", "The first requests:", *(f"  {line}" for line in self.first)]
        return "\n".join(lines) + "\n"


def _load(plan: ReplayPlan) -> str:
    """How much is sent at once, and what stops it."""
    options, abort = plan.options, plan.abort
    said = [f"at most {options.concurrency} at once"]
    if options.ceiling is not None:
        said.append(f"at most {options.ceiling:g} a second")
    limits = (
        ("errors", abort.max_errors),
        ("error share", abort.max_error_share),
        ("median ms", abort.max_latency_ms),
    )
    given = [f"{name} {limit:g}" for name, limit in limits if limit is not None]
    said.append(f"stops beyond {', '.join(given)}" if given else "nothing stops it")
    return "; ".join(said)


_ADVICE = {"write": " (add --allow-writes, or list reads under [safety] reads)"}
