"""A noise profile for a person, with the rules it proposes."""

from __future__ import annotations

from shadow.compare.noise import Endpoint, NoiseProfile, Place
from shadow.printable import printable


def show_profile(profile: NoiseProfile) -> str:
    """Where the baseline differs from itself, how, and what rules would say so for good."""
    lines = []
    for name, endpoint in sorted(profile.endpoints.items()):
        lines.append(
            _plain(f"{name}  {endpoint.pairs:,} pairs, {len(endpoint.places)} noisy places")
        )
        lines += [
            _plain(f"  {where}  differed {place.differed:,}x: {_what(place)}")
            for where, place in sorted(endpoint.places.items())
        ]
    if not lines:
        return "nothing learned: no safe exchange was answered twice\n"
    rules = [
        rule for name, each in sorted(profile.endpoints.items()) for rule in _rules(name, each)
    ]
    if rules:
        lines += ["", "Proposed for shadow.toml:", *rules]
    return "\n".join(lines) + "\n"


def _what(place: Place) -> str:
    told = ["order"] if place.order else []
    told += [f"status {status}" for status in place.statuses]
    for kind, seen in sorted(place.kinds.items()):
        gap = f" up to {seen.gap:.3g} apart" if seen.gap else ""
        told.append(f"{kind}{gap}")
    return ", ".join(told)


def _rules(name: str, endpoint: Endpoint) -> list[str]:
    return [
        _plain(
            f'[[compare.lists]]\nendpoint = "{name}"\n'
            f'path = "{where.partition(" ")[2]}"\nunordered = true\n',
            keep="\n",
        )
        for where, place in sorted(endpoint.places.items())
        if place.order
    ]


def _plain(text: str, keep: str = "") -> str:
    return printable(text, "?", keep=keep)
