"""Where requests go: one service under test, as given on the command line or in shadow.toml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast
from urllib.parse import SplitResult, unquote, urlsplit

from shadow.errors import ConfigError
from shadow.model import Headers, SideName, isomorphic
from shadow.sending.auth import Auth
from shadow.sending.denied import NOTHING_DENIED, Denied
from shadow.sending.fields import FRAMING, HOP_BY_HOP, is_name, is_value
from shadow.sending.reshape import UNCHANGED, Reshaping

Scheme = Literal["http", "https"]
DEFAULT_PORTS: dict[Scheme, int] = {"http": 80, "https": 443}

_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")


_NO_PROXY = frozenset({"socks", "socks4", "socks4a", "socks5", "socks5h", "ftp"})
_PROXY_HINT = (
    "write it like http://127.0.0.1:3128 or http://user:password@proxy.test:3128, with %40 for @ "
    "and %2F for / in the password"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """What stands between us and a target."""

    scheme: Scheme
    """How it is spoken to itself."""
    host: str
    """As in `Target`."""
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def authority(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Scheme and authority, without the credentials."""
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One service under test."""

    side: SideName
    name: str
    """The label people see: `go`, `rust`."""
    scheme: Scheme
    host: str
    """A name, an IPv4 address or an IPv6 address without brackets; ASCII."""
    port: int
    prefix: str = ""
    """Put before every path; empty, or `/…` without a slash at its end; isomorphic."""
    headers: Headers = ()
    """Fields to set on every request, whatever was recorded; isomorphic."""
    keep_host: bool = False
    """Send the recorded Host instead of this target's."""
    host_header: str = ""
    """Send this as the Host, whatever else is said."""
    drop_headers: frozenset[str] = frozenset()
    """Recorded fields that are not sent, in lower case."""
    reshaping: Reshaping = UNCHANGED
    """What becomes of path and query."""
    denied: Denied = field(default=NOTHING_DENIED, repr=False)
    """What a connection must never lead to."""
    verify_tls: bool = True
    """Certificates are checked against the system's store, or `SSL_CERT_FILE`."""
    http2: bool = False
    """Speak HTTP/2: chosen by ALPN over TLS, without asking otherwise."""
    proxy: Proxy | None = None
    """Go through this proxy: by CONNECT to an https target, else it forwards."""
    auth: Auth | None = None
    """Where the credentials of its requests come from."""

    @property
    def hop(self) -> Target:
        """Where a connection is opened to: the proxy where there is one, else the target."""
        if self.proxy is None:
            return self
        return replace(
            self,
            scheme=self.proxy.scheme,
            host=self.proxy.host,
            port=self.proxy.port,
            prefix="",
            verify_tls=True,  # a target that is trusted blindly is no reason to trust the proxy
            proxy=None,
            denied=NOTHING_DENIED,  # it is no target, and it resolves the target's name itself
        )

    @property
    def authority(self) -> str:
        """Host and port as the Host field wants them: the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """Scheme, authority and prefix."""
        return f"{self.scheme}://{self.authority}{self.prefix}"


def parse_target(
    url: str,
    *,
    side: SideName,
    name: str,
    option: str,
    headers: Sequence[tuple[str, str]] = (),
    keep_host: bool = False,
    host_header: str = "",
    drop_headers: Sequence[str] = (),
    reshaping: Reshaping = UNCHANGED,
    denied: Denied = NOTHING_DENIED,
    verify_tls: bool = True,
    http2: bool = False,
    proxy: Proxy | None = None,
    auth: Auth | None = None,
) -> Target:
    """Read the URL of a service under test.

    `option` is what the operator wrote it in (`--go`, `targets.baseline.url`) and opens every
    error message; `headers` are text, as in a config file. Raises `ConfigError`. No message
    repeats a password or a query.
    """
    _refuse_secrets(url, option)
    parts = _split(url, option)
    scheme = cast("Scheme", parts.scheme)
    target = Target(
        side=side,
        name=name,
        scheme=scheme,
        host=_host(parts, option),
        port=_port(parts, option) or DEFAULT_PORTS[scheme],
        prefix=isomorphic(parts.path.rstrip("/")),
        headers=_overrides(headers, option),
        keep_host=keep_host,
        host_header=_host_header(host_header, option),
        drop_headers=_dropped(drop_headers, option),
        reshaping=reshaping,
        denied=denied,
        verify_tls=verify_tls,
        http2=http2,
        proxy=proxy,
        auth=auth,
    )
    _refuse_impossible(target, option)
    return target


def parse_proxy(url: str, option: str) -> Proxy:
    """Read the URL of a proxy, which may hold credentials.

    Raises `ConfigError`, beginning with `option`; no message repeats any part of the URL but
    its scheme.
    """
    scheme, found, rest = url.partition("://")
    if found and scheme.lower() in _NO_PROXY:
        raise ConfigError(f"{option}: a {scheme.lower()} proxy is not supported", _PROXY_HINT)
    credentials, _, authority = rest.rpartition("@")
    username, _, password = credentials.partition(":")
    scheme, authority = scheme.lower(), authority.removesuffix("/")
    if (
        scheme not in DEFAULT_PORTS
        or _NOT_IN_A_URL.search(url)
        or re.search(r"[/?#@]", authority + credentials)
    ):
        raise ConfigError(f"{option}: not the URL of a proxy", _PROXY_HINT)
    try:
        parts = urlsplit(f"{scheme}://{authority}")
        host, port = _host(parts, option), parts.port
    except (ValueError, ConfigError):
        raise ConfigError(f"{option}: not the URL of a proxy", _PROXY_HINT) from None
    if not port:
        raise ConfigError(f"{option}: the proxy's port is missing", _PROXY_HINT)
    return Proxy(
        scheme=scheme,
        host=host,
        port=port,
        username=unquote(username),
        password=unquote(password),
    )


def _refuse_impossible(target: Target, option: str) -> None:
    """Refuse what httpx's transport cannot do for a target."""
    if target.proxy is None:
        return
    if target.http2 and target.scheme == "http":
        raise ConfigError(
            f"{option}: HTTP/2 without TLS cannot go through a proxy",
            "use an https:// URL, or leave out http2 or proxy",
        )
    if ":" in target.host:
        raise ConfigError(
            f"{option}: an IPv6 address cannot be reached through a proxy",
            "give the service a name",
        )


def _refuse_secrets(url: str, option: str) -> None:
    """First of all checks: the others may repeat parts of the URL."""
    authority = re.split(r"[/?#]", url.split("://", 1)[-1], maxsplit=1)[0]
    if "@" in authority:
        raise ConfigError(
            f"{option}: the URL holds a user name or a password",
            "send credentials as a header of the target instead",
        )
    if "?" in url or "#" in url:
        raise ConfigError(
            f"{option}: a target has no query and no fragment",
            "end the URL before ? or #; every request brings its own query",
        )


def _split(url: str, option: str) -> SplitResult:
    if not url or _NOT_IN_A_URL.search(url):
        raise ConfigError(
            f"{option}: not a URL: {'it is empty' if not url else ascii(url)}",
            "write it like http://127.0.0.1:8080, with no spaces",
        )
    if "://" not in url:
        raise ConfigError(f"{option}: no scheme in {url}", f"did you mean http://{url}?")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(
            f"{option}: not a URL: {url} ({error})", "write it like http://127.0.0.1:8080"
        ) from error
    if parts.scheme not in DEFAULT_PORTS:
        raise ConfigError(
            f"{option}: scheme {parts.scheme or url.split('://', 1)[0]} is not supported",
            "use http:// or https://",
        )
    return parts


def _host(parts: SplitResult, option: str) -> str:
    host = parts.hostname
    if not host:
        raise ConfigError(
            f"{option}: no host in {parts.geturl()}", "write it like http://127.0.0.1:8080"
        )
    try:
        return host if ":" in host else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ConfigError(
            f"{option}: not a host name: {host}", "a name has labels of 1 to 63 letters"
        ) from error


def _port(parts: SplitResult, option: str) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ConfigError(
            f"{option}: bad port in {parts.netloc}", "a port is a number from 1 to 65535"
        )
    return port


def _host_header(value: str, option: str) -> str:
    if value and (not value.isascii() or not value.isprintable() or re.search(r"[\s/?#@]", value)):
        raise ConfigError(
            f"{option}: host {value!a} cannot be sent", "write it like api.internal:8080"
        )
    return value


def _dropped(names: Sequence[str], option: str) -> frozenset[str]:
    for name in names:
        if not is_name(name) or name.lower() == "host" or name.lower() in FRAMING:
            raise ConfigError(
                f"{option}: header {name!a} cannot be left out",
                "name one that is not Host and does not frame the message",
            )
    return frozenset(name.lower() for name in names)


def _overrides(headers: Sequence[tuple[str, str]], option: str) -> Headers:
    for key, value in headers:
        if key.lower() in FRAMING | HOP_BY_HOP:
            raise ConfigError(
                f"{option}: header {key} cannot be set",
                "framing and connection headers are set for each request",
            )
        if not is_name(key) or not key.isascii() or not is_value(value):
            raise ConfigError(
                f"{option}: header {key!a} cannot be sent",
                "a name has no spaces or colons, a value stays on one line",
            )
    return tuple((key, isomorphic(value)) for key, value in headers)
