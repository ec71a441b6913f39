"""The flags → what `shadow races` goes by."""

from __future__ import annotations

from typing import Final

from shadow.config.asking import asking_plan
from shadow.config.file import load
from shadow.config.flags import Flags
from shadow.config.redacting import hidden
from shadow.errors import ConfigError
from shadow.masking import Masker
from shadow.replay.options import Selection
from shadow.replay.races import RacesPlan
from shadow.results.races import ALONE

MAX_LEVEL: Final = 1_024


def races_plan(flags: Flags) -> RacesPlan:
    """Everything that a search for races goes by. Raises ConfigError."""
    steps = levels(flags["levels"])
    masked = hidden(load(flags["config"]))
    return RacesPlan(
        asking=asking_plan({**flags, "connections": steps[-1]}),
        selection=Selection(
            endpoints=tuple(flags["endpoint"]),
            exclude=tuple(flags["exclude"]),
            limit=flags["limit"],
        ),
        levels=steps,
        rounds=flags["rounds"],
        seed=flags["seed"],
        max_time_s=flags["max_time"],
        again=_again(flags, Masker(hidden=masked)),
        hidden=masked,
        no_values=flags["no_values"],
        as_json=flags["as_json"],
        quiet=flags["quiet"],
    )


def levels(text: str) -> tuple[int, ...]:
    """Read `1,4,16`; the alone is one of them in any case. Raises ConfigError."""
    found = set()
    for each in text.split(","):
        number = each.strip()
        if not (number.isascii() and number.isdigit() and _is_level(number)):
            raise ConfigError(
                f"--levels {text}: {number or 'nothing'} is no level",
                f"numbers from 1 to {MAX_LEVEL:,}, like 1,4,16,64",
            )
        found.add(int(number))
    if max(found) == ALONE:
        raise ConfigError(f"--levels {text}: nothing is asked at once", "like 1,16")
    return tuple(sorted(found | {ALONE}))


def _is_level(digits: str) -> bool:
    return len(digits) <= len(str(MAX_LEVEL)) and ALONE <= int(digits) <= MAX_LEVEL


def _again(flags: Flags, masker: Masker) -> tuple[str, ...]:
    """The words of the command, but for what a finding decides: endpoint, levels and seed."""
    words = ["shadow", "races", *flags["captures"]]
    for option, name in (("--go", "baseline"), ("--rust", "candidate"), ("--config", "config")):
        if flags[name] is not None:
            words += [option, masker.mask_text(flags[name])]
    for option, name in (
        ("--allow-writes", "allow_writes"),
        ("--allow-commands", "allow_commands"),
    ):
        if flags[name]:
            words.append(option)
    if flags["noise_profile"] is not None:
        words += ["--noise-profile", flags["noise_profile"]]
    return tuple(words)
