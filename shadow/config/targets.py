"""`[targets.*]` and `[targets.*.auth]` → the services that are asked."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from shadow.config.file import FILE_NAME, Config, named
from shadow.config.safety import denied
from shadow.config.tables.targets import TargetTable
from shadow.errors import ConfigError
from shadow.model import SideName
from shadow.sending.auth import Auth, OAuth, parse_auth
from shadow.sending.denied import Denied
from shadow.sending.reshape import parse_reshaping
from shadow.sending.safety import refuse_denied
from shadow.sending.target import Proxy, Target, parse_proxy, parse_target

LABELS: Final[dict[SideName, str]] = {"baseline": "go", "candidate": "rust"}


def label(config: Config, side: SideName) -> str:
    """The name a side goes by in events and reports."""
    table = config.targets.of(side)
    return table.name or LABELS[side]


def target(config: Config, side: SideName, url: str | None) -> Target:
    """The target of a side, from its flag or from the file. Raises ConfigError."""
    table = config.targets.of(side)
    chosen = url or table.url
    option = f"--{LABELS[side]}"
    if not chosen:
        raise ConfigError(
            f"no {side} service is given",
            f"add {option} URL, or url under [targets.{side}] in {FILE_NAME}",
        )
    place = option if url else f"targets.{side}.url"
    return target_at(config, side, chosen, place, label(config, side))


def target_at(config: Config, side: SideName, url: str, option: str, name: str) -> Target:
    """The target at a URL, asked in the way of a side. Raises ConfigError, also where denied."""
    table = config.targets.of(side)
    never = denied(config)
    found = parse_target(
        url,
        side=side,
        name=name,
        option=option,
        headers=tuple(table.headers.items()),
        keep_host=table.keep_host,
        host_header=table.host or "",
        drop_headers=table.drop_headers,
        reshaping=parse_reshaping(
            tuple(table.paths.items()),
            tuple(table.set_query.items()),
            table.drop_query,
            f"targets.{side}",
        ),
        denied=never,
        verify_tls=table.verify_tls,
        http2=_http2(table, side),
        proxy=_proxy(table, side),
        auth=_auth(config, side, never),
    )
    refuse_denied(found)
    return found


def _http2(table: TargetTable, side: SideName) -> bool:
    """Whether HTTP/2 is asked for. Raises ConfigError where the package for it is missing."""
    if table.http2 and find_spec("h2") is None:
        raise ConfigError(
            f"targets.{side}.http2: the package h2 is not installed",
            "pip install 'shadow-traffic[http2]'",
        )
    return table.http2


def _proxy(table: TargetTable, side: SideName) -> Proxy | None:
    return None if table.proxy is None else parse_proxy(table.proxy, f"targets.{side}.proxy")


def _auth(config: Config, side: SideName, never: Denied) -> Auth | None:
    """Where a side's credentials come from. Raises ConfigError."""
    table = config.targets.of(side).auth
    if table is None:
        return None
    given = table.oauth
    oauth = None
    if given is not None:
        oauth = OAuth(
            token_url=given.token_url,
            client_id=given.client_id,
            client_secret=given.client_secret,
            scope=given.scope,
        )
    with named(config, "targets", side, "auth"):
        return parse_auth(
            Auth(
                header=table.header,
                prefix=table.prefix,
                command=tuple(table.command),
                oauth=oauth,
                ttl_s=table.ttl_s,
            ),
            never,
            f"targets.{side}.auth",
        )
