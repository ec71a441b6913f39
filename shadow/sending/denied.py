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
        found = _address(address)
        if found is None:
            return ""
        for network, entry in self.networks:
            if found.version == network.version and found in network:
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
        for address in addresses:
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
            networks.append((ipaddress.ip_network(text, strict=False), entry))
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
            networks += [
                (ipaddress.ip_network(str(found)), entry)
                for address in looked_up(text)[1]
                if (found := _address(address)) is not None
            ]
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


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address; one of IPv4 that is written as IPv6 is that of IPv4."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
