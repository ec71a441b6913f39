"""The reference of the commands, from click."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from docs.pages.markdown import fenced, page, prose, table
from shadow import cli
from shadow.config.file import FILE_NAME


def render() -> str:
    """docs/reference/commands.md."""
    found = list(_commands(cli.group, "shadow", "SHADOW"))
    links = (
        [f"[`{name}`](#{name.replace(' ', '-')})", prose(context.command.get_short_help_str(100))]
        for name, context in found
    )
    intro = (
        "Data goes to stdout; progress, warnings and the summary go to stderr. "
        "The [exit code](exit-codes.md) says what came of it. Every option can be given as an "
        "environment variable instead; a flag wins over the environment, and the environment "
        f"over [`{FILE_NAME}`](config.md)."
    )
    return page("Commands", intro, table(["command", ""], links), *map(_command, found))


def _commands(group: click.Group, name: str, prefix: str) -> Iterator[tuple[str, click.Context]]:
    """Every command below a group with its full name, commands of commands too."""
    context = click.Context(group, info_name=name)
    for each in group.list_commands(context):
        command = group.get_command(context, each)
        assert command is not None
        below = f"{prefix}_{each.upper().replace('-', '_')}"
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {each}", below)
        else:
            inner = click.Context(command, info_name=each, auto_envvar_prefix=below)
            yield f"{name} {each}", inner


def _command(found: tuple[str, click.Context]) -> str:
    name, context = found
    command = context.command
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    options = [each for each in command.params if isinstance(each, click.Option)]
    rows = [_option(each, context) for each in options if not each.hidden]
    blocks = [f"## {name}", fenced(usage, "text"), *_help(command.help or "")]
    if rows:
        blocks.append(table(["option", "default", "", "environment"], rows))
    return "\n\n".join(blocks)


def _help(text: str) -> Iterator[str]:
    """The paragraphs of a help text; click keeps those after a backspace as they stand."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            yield fenced(paragraph.removeprefix("\b").strip("\n"), "console")
        else:
            yield prose(" ".join(paragraph.split()))


def _option(option: click.Option, context: click.Context) -> list[str]:
    names = ", ".join(f"`{name}`" for name in option.opts)
    if not option.is_flag:
        names += f" `{option.make_metavar(context).removesuffix(' RANGE')}`"
    extra = option.get_help_extra(context)
    bounds = f" `{extra['range']}`" if extra.get("range") else ""
    default = f"`{extra['default']}`" if extra.get("default") else ""
    env = f"{context.auto_envvar_prefix}_{(option.name or '').upper()}"
    return [names, default, prose(option.help or "") + bounds, f"`{env}`"]
