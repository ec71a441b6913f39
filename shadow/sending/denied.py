"""Hosts that must never be asked, by name and by address (`[safety] never`).

A name may be another one's alias, or lead to another address tomorrow than it did today. So a
target is held against the list when it is read, by all its names and addresses, and again whenever
a connection has been opened, before anything is sent on it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shadow.errors import ConfigError

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""How a network without IPv4 reaches its addresses (RFC 6052)."""
_LOOPBACK: Final[dict[int, _Address]] = {
    4: ipaddress.IPv4Address("127.0.0.1"),
    6: ipaddress.IPv6Address("::1"),
}
"""Where a connection to no address, `0.0.0.0` or `::`, leads."""


@dataclass(frozen=True, slots=True)
class Denied:
    """What is on the list, with the entry that put it there."""

    names: tuple[tuple[str, str], ...] = ()
    """Host names; with `*.` before it, all names below it."""
    networks: tuple[tuple[_Network, str], ...] = ()
    """Networks, and addresses that names led to when the list was read."""

    def __bool__(self) -> bool:
        """Whether anything is on it."""
        return bool(self.names or self.networks)

    def by_name(self, host: str) -> str:
        """Return the entry that denies a host by one of its names, or nothing."""
        host = plain(host)
        for name, entry in self.names:
            if host == name or (name.startswith("*.") and host.endswith(name[1:])):
                return entry
        return ""

    def by_address(self, address: str) -> str:
        """Return the entry that denies an address, or nothing."""
        found = _addresses(address)
        for network, entry in self.networks:
            if any(each.version == network.version and each in network for each in found):
                return entry
        return ""

    def of(self, host: str) -> str:
        """Return the entry that denies a host by any of its names and addresses, or nothing."""
        if not self:
            return ""
        aliases, addresses = looked_up(host)
        for name in (host, *aliases):
            if entry := self.by_name(name):
                return entry
        for address in (plain(host), *addresses):
            if entry := self.by_address(address):
                return entry
        return ""


NOTHING_DENIED: Final = Denied()


def parse_denied(entries: Sequence[str]) -> Denied:
    """Read the list: names, `*.names`, addresses and networks; names are resolved at once.

    Raises ConfigError for an entry that is none of these.
    """
    names: list[tuple[str, str]] = []
    networks: list[tuple[_Network, str]] = []
    for entry in entries:
        text = plain(entry)
        try:
            networks.append((_network(text), entry))
            continue
        except ValueError:
            pass
        bare = text.removeprefix("*.")
        if not bare or any(character in bare for character in "/ :@*?#"):
            raise ConfigError(
                f"[safety] never: {entry!a} is no host",
                "write it like api.example.com, *.prod.example.com, 10.0.0.5 or 10.0.0.0/8",
            )
        names.append((text, entry))
        if bare == text:
            networks += [(_network(address), entry) for address in looked_up(text)[1]]
    return Denied(names=tuple(names), networks=tuple(networks))


def plain(host: str) -> str:
    """Return a host in its one spelling: lower case, without brackets and a dot at its end."""
    text = host.strip().rstrip(".").strip("[]").lower()
    try:
        return text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return text


def looked_up(host: str) -> tuple[set[str], set[str]]:
    """Return the other names and the addresses of a host; none where it is not known."""
    try:
        found = socket.getaddrinfo(
            plain(host), None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
        )
    except (OSError, UnicodeError):
        return set(), set()
    return {each[3] for each in found if each[3]}, {str(each[4][0]) for each in found}


def _network(text: str) -> _Network:
    """Return a network, or the one of an address; of IPv4 though it be written as IPv6."""
    found = ipaddress.ip_network(text.partition("%")[0], strict=False)
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(_MAPPED):
        return ipaddress.IPv4Network((_last_four(found.network_address), found.prefixlen - 96))
    return found


def _addresses(text: str) -> list[_Address]:
    """Return an address, and the others that a connection to it leads to; none for a name."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return []
    addresses: list[_Address] = [found]
    if found.version == 6 and (found in _MAPPED or found in _TRANSLATED):
        addresses.append(ipaddress.IPv4Address(_last_four(found)))
    return addresses + [_LOOPBACK[each.version] for each in addresses if each.is_unspecified]


def _last_four(address: _Address) -> int:
    return int(address) & 0xFFFFFFFF
