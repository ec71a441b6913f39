"""`shadow inspect --secrets`: what a redactor would take out of captures, and where it stands."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import msgspec
from rich.console import RenderableType
from rich.text import Text

from shadow.captures import Broken, read
from shadow.captures.redact import Redaction, SecretScan
from shadow.captures.redact.scanning import Place
from shadow.endpoints import Endpoints
from shadow.masking import Hidden, Masker
from shadow.model import Exchange
from shadow.reports import machine
from shadow.reports.console import columns, printed
from shadow.reports.inspection import SHOWN
from shadow.reports.show import colored
from shadow.reports.show import width as width_of
from shadow.reports.text import cut_end, plain, plural

_NAME_COLUMNS = 60


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; never a value."""

    exchanges: int
    broken: int
    with_secrets: int
    """Exchanges in which there are any."""
    places: tuple[Place, ...]


def find_secrets(
    paths: Sequence[str],
    endpoints: Endpoints,
    rules: Redaction,
    hidden: Hidden,
    *,
    as_json: bool,
    show_all: bool,
) -> str:
    """Read captures and tell what is secret in them. Raises CaptureError and ConfigError."""
    found = scan(paths, endpoints, rules, hidden)
    if as_json:
        return machine.render(found)
    out = sys.stdout
    return printed(
        _blocks(found, None if show_all else SHOWN),
        width=width_of(out) if out else 100,
        color=bool(out and colored(out)),
    )


def scan(paths: Sequence[str], endpoints: Endpoints, rules: Redaction, hidden: Hidden) -> Secrets:
    """Read captures once."""
    masker = Masker(hidden=hidden)
    scanner = SecretScan(
        rules,
        lambda request: masker.mask_endpoint(endpoints.name(request.method, request.target)),
    )
    exchanges = broken = 0
    for record in read(paths):
        if isinstance(record, Exchange):
            exchanges += 1
            scanner.add(record)
        else:
            broken += isinstance(record, Broken)
    return Secrets(
        exchanges=exchanges,
        broken=broken,
        with_secrets=scanner.exchanges,
        places=tuple(scanner.places()),
    )


def _blocks(found: Secrets, limit: int | None) -> Iterator[RenderableType]:
    unread = f", {plural(found.broken, 'record')} broken" if found.broken else ""
    if not found.places:
        yield Text(f"no secrets found in {plural(found.exchanges, 'exchange')}{unread}")
        return
    yield Text(
        f"secrets in {found.with_secrets:,} of {plural(found.exchanges, 'exchange')}{unread}; "
        "shadow convert --redact takes them out"
    )
    yield Text()
    table = columns()
    for heading in ("where", "name", "becomes"):
        table.add_column(heading, overflow="fold")
    table.add_column("values", justify="right", no_wrap=True)
    table.add_column("exchanges", justify="right", no_wrap=True)
    table.add_column("endpoint", overflow="fold")
    for place in found.places[:limit]:
        table.add_row(
            place.where,
            Text(cut_end(plain(place.name), _NAME_COLUMNS)),
            place.action,
            f"{place.values:,}",
            f"{place.exchanges:,}",
            Text(cut_end(plain(place.endpoint), _NAME_COLUMNS)),
        )
    yield table
    if limit is not None and len(found.places) > limit:
        yield Text(f"… and {plural(len(found.places) - limit, 'place')} more (--all)")
