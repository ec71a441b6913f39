"""What a webhook is told, as one JSON object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from shadow.sending.webhook import Webhook, post


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, in the form of an event."""

    event: str
    fields: Mapping[str, Any]


def notify(webhook: Webhook | None, notice: Notice, tell: Callable[[str], None]) -> None:
    """Send a notice where there is a webhook; what goes wrong is told and changes nothing."""
    if webhook is None:
        return
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    body = {"event": notice.event, "v": 1, "timestamp": now, **notice.fields}
    failure = post(webhook, msgspec.json.encode(body))
    if failure is not None:
        tell(f"{failure}; the verdict stands, and nobody was told")
