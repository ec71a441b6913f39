"""Where the credentials of a target come from, as its config says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from shadow.errors import ConfigError
from shadow.sending.denied import NOTHING_DENIED, Denied
from shadow.sending.fields import FRAMING, HOP_BY_HOP, http_url, is_name


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """OAuth 2.0 client credentials (RFC 6749 section 4.4)."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    denied: Denied = field(default=NOTHING_DENIED, repr=False)
    """What a connection to `token_url` must never lead to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """Where a header's value comes from: a command's output, or OAuth."""

    header: str = "Authorization"
    prefix: str = "Bearer "
    command: tuple[str, ...] = ()
    oauth: OAuth | None = None
    ttl_s: float = 3000.0
    """How long what the command gives is good for, and a token that does not say so."""
    timeout_s: float = 30.0


def parse_auth(auth: Auth, denied: Denied, option: str) -> Auth:
    """Check what a config says, and add what is `denied`.

    Raises ConfigError, beginning with `option`.
    """
    if bool(auth.command) == (auth.oauth is not None):
        raise ConfigError(f"{option}: one of command and oauth is wanted", "give exactly one")
    key = auth.header.lower()
    if not is_name(auth.header) or key in FRAMING | HOP_BY_HOP | {"host"}:
        raise ConfigError(
            f"{option}.header: {auth.header!a} cannot be set", 'leave it out for "Authorization"'
        )
    if auth.oauth is not None:
        _check_url(auth.oauth.token_url, denied, f"{option}.oauth.token_url")
        return replace(auth, oauth=replace(auth.oauth, denied=denied))
    return auth


def _check_url(url: str, denied: Denied, option: str) -> None:
    parts = http_url(url)
    if parts is None or "@" in parts.netloc:
        raise ConfigError(f"{option} is no http:// or https:// URL", "https://HOST/PATH")
    entry = denied.of(parts.hostname or "")
    if entry:
        raise ConfigError(
            f"{option} is on the list [safety] never: {entry}", "ask another host for tokens"
        )
