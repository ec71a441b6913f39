"""`shadow replay --dry-run`: what would be sent where, and what would not and why."""

from __future__ import annotations

from collections import Counter

from shadow.captures import Broken, Unsupported, read
from shadow.masking import Masker
from shadow.model import Exchange, readable
from shadow.replay.options import ReplayPlan
from shadow.replay.selection import left_out
from shadow.sending.rewrite import Unsendable, render

FIRST = 5
"""Requests that are shown."""


class DryRun:
    """Counts what a replay of the plan would do. Sends nothing."""

    def __init__(self, plan: ReplayPlan) -> None:
        self._plan = plan
        self._masker = Masker()
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
        for record in read(self._plan.captures):
            if isinstance(record, Broken):
                self.broken += 1
                continue
            if total == self._plan.selection.limit:
                break
            total += 1
            if isinstance(record, Unsupported):
                self.skipped["unsupported"] += 1
            else:
                self._exchange(record)
        return self._text(total)

    def _exchange(self, exchange: Exchange) -> None:
        request = exchange.request
        endpoint = self._plan.endpoints.name(request.method, request.target)
        reason = left_out(exchange, endpoint, self._plan.selection)
        reason = reason or self._plan.safety.refusal(request)
        if not reason:
            try:
                render(request, self._plan.candidate)
            except Unsendable as unsendable:
                reason = unsendable.reason
        if reason:
            self.skipped[reason] += 1
            return
        self.sent[endpoint] += 1
        if exchange.session is not None and len(self.sessions) < 1_000_000:
            self.sessions.add(exchange.session)
        if len(self.first) < FIRST:
            target = self._masker.mask_target(readable(request.target))[:100]
            line = f"{exchange.id}  {request.method} {target}  {len(request.body)} bytes"
            self.first.append("".join(c if c.isprintable() else "?" for c in line))

    def _text(self, total: int) -> str:
        baseline = self._plan.baseline
        lines = [
            "Nothing was sent. This is what a replay would do.",
            f"baseline   {baseline.url if baseline else 'the recorded responses'}",
            f"candidate  {self._plan.candidate.url}",
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


_ADVICE = {"write": " (add --allow-writes, or list reads under [safety] reads)"}
