"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.types import FloatParamType

from shadow.cli import COMMANDS, group


def numbers(command: click.Command, name: str) -> Iterator[tuple[str, click.Parameter]]:
    """Every parameter of a command, and of those below it, that is a number with a fraction."""
    for parameter in command.params:
        if isinstance(parameter.type, FloatParamType):
            yield f"{name} {parameter.name}", parameter
    if isinstance(command, click.Group):
        for below in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), below)
            assert found is not None
            yield from numbers(found, f"{name} {below}")


FOUND = dict(numbers(group, "shadow"))


def test_they_are_found() -> None:
    assert {name.split()[1] for name in FOUND} <= set(COMMANDS)
    assert {"shadow races max_time", "shadow replay rate", "shadow route set percent"} <= set(FOUND)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400"])
@pytest.mark.parametrize("name", FOUND)
def test_no_number_is_infinite_or_none_at_all(name: str, text: str) -> None:
    parameter = FOUND[name]
    with pytest.raises(click.BadParameter, match=r"is no finite number|is not in the range"):
        parameter.type.convert(text, parameter, None)
