"""What is wrong with a shadow.toml: unknown keys, values of other types, secrets in the file."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterable
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from shadow.config.lines import Place, located, told
from shadow.errors import ConfigError
from shadow.model import SIDES

_SECRETS: Final[tuple[Place, ...]] = (
    ("webhook", "secret"),
    *(
        ("targets", side, *keys)
        for side in SIDES
        for keys in (("auth", "oauth", "client_secret"), ("database",))
    ),
)
"""Keys whose values come from the environment."""
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Checker:
    """Checks one file against its tables; messages begin with the file and the line."""

    def __init__(self, shape: type, text: str, source: str) -> None:
        self.shape = shape
        self.text = text
        self.source = source

    def at(self, place: Place) -> str:
        """The file and line of a place."""
        return located(self.source, self.text, place)

    def refusal(self, message: str, below: Place = ()) -> ConfigError:
        """The error for what msgspec says is wrong, in the table `below`."""
        reason, _, path = message.partition(" - at ")
        steps = re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", path)
        place: Place = (*below, *(name or int(number) for name, number in steps))
        missing = re.search(r"missing required field `(.+)`", reason)
        if missing:
            return ConfigError(
                f"{self.at(place)}: {told(place)}: {missing[1]} is missing",
                f"add {missing[1]} = …",
            )
        return ConfigError(
            f"{self.at(place)}: {told(place) or 'the file'}: {reason}",
            _choices(self.shape, place) or "see docs/reference/config.md",
        )

    def check(self, data: Any, shape: Any, place: Place) -> None:
        """Refuse unknown keys, with the nearest known name."""
        if isinstance(data, list):
            inner = next(iter(get_args(shape)), None)
            for number, item in enumerate(data):
                self.check(item, inner, (*place, number))
        if isinstance(data, dict) and get_origin(shape) is dict:
            self._check_named(data, get_args(shape)[1], place)
        if not isinstance(data, dict) or not _is_struct(shape):
            return
        keys = _keys(shape)
        for key, value in data.items():
            here = (*place, key)
            if key not in keys:
                near = difflib.get_close_matches(key, keys, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}"
                raise ConfigError(f"{self.at(here)}: unknown key {told(here)}", hint)
            self.check(value, keys[key], here)

    def refuse_secret(self, data: dict[str, Any]) -> None:
        """Refuse a secret that stands in the file itself."""
        for place in (*_SECRETS, *_keys_of_shifts(data)):
            secret: Any = data
            for step in place:
                found = isinstance(secret, list) or (isinstance(secret, dict) and step in secret)
                secret = secret[step] if found else None
            if isinstance(secret, str) and not _VARIABLE.fullmatch(secret):
                raise ConfigError(
                    f"{self.at(place)}: {told(place)} stands in the file",
                    f'put it into the environment, and {place[-1]} = "${{SECRET}}" here',
                )

    def refuse_infinite(self, value: Any, place: Place) -> None:
        """Refuse `inf` and `nan`, which TOML has: as a limit they are none."""
        inner: Iterable[tuple[str | int, Any]] = ()
        if isinstance(value, dict):
            inner = value.items()
        elif isinstance(value, list):
            inner = enumerate(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(
                f"{self.at(place)}: {told(place)}: {value} is no finite number", "give a finite one"
            )
        for step, each in inner:
            self.refuse_infinite(each, (*place, step))

    def _check_named(self, data: dict[str, Any], shape: Any, place: Place) -> None:
        """Check tables that go by names of the user, which msgspec's messages leave out."""
        if not _is_struct(shape):
            return
        for name, value in data.items():
            here = (*place, name)
            self.check(value, shape, here)
            try:
                msgspec.convert(value, shape)
            except msgspec.ValidationError as error:
                raise self.refusal(str(error), here) from None

    def expand(self, value: Any, place: Place) -> Any:
        """Replace `${VAR}` in every string by the environment's value."""
        if isinstance(value, dict):
            return {key: self.expand(item, (*place, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.expand(item, (*place, number)) for number, item in enumerate(value)]
        if not isinstance(value, str):
            return value

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name not in os.environ:
                raise ConfigError(
                    f"{self.at(place)}: {told(place)} needs the environment variable {name}",
                    f"export {name}=… before the command",
                )
            return os.environ[name]

        return _VARIABLE.sub(one, value)


def _keys_of_shifts(data: dict[str, Any]) -> list[Place]:
    shifts = data.get("shift")
    count = len(shifts) if isinstance(shifts, list) else 0
    return [("shift", number, "key") for number in range(count)]


def _keys(shape: Any) -> dict[str, Any]:
    """The keys of a table, with their types."""
    hints = get_type_hints(shape)
    fields = msgspec.structs.fields(shape)
    return {field.encode_name: hints[field.name] for field in fields if field.name != "source"}


def _choices(shape: Any, place: Place) -> str:
    """What a key may be, where that is a choice of words."""
    for step in place:
        inner = get_args(shape)
        shape = _keys(shape).get(str(step)) if _is_struct(shape) else inner[-1] if inner else None
    words = get_args(shape) if get_origin(shape) is Literal else ()
    return "one of " + ", ".join(map(str, words)) if words else ""


def _is_struct(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)
