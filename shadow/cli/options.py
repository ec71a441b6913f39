"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


def store(function: Function) -> Function:
    """`--store`: where runs are kept."""
    return click.option(
        "--store",
        default=".shadow/shadow.sqlite",
        show_default=True,
        metavar="URL",
        help="SQLite file (or sqlite:/// URL) that keeps the runs.",
    )(function)


def config(function: Function) -> Function:
    """`--config`: the shadow.toml."""
    return click.option(
        "--config", metavar="PATH", help="shadow.toml; default: the nearest one upward."
    )(function)


def on_inconclusive(function: Function) -> Function:
    """`--on-inconclusive`: the exit code without evidence."""
    return click.option(
        "--on-inconclusive",
        type=click.Choice(["fail", "pass"]),
        default="fail",
        show_default=True,
        help="Whether an inconclusive run exits with 3 or 0.",
    )(function)


def workers(function: Function) -> Function:
    """`--workers`: processes that share the work."""
    return click.option(
        "--workers",
        default=1,
        show_default=True,
        type=click.IntRange(1, 64),
        help="Processes that share the work, by session; 1 a core is plenty.",
    )(function)


def versions(function: Function) -> Function:
    """`--go-version` and `--rust-version`: what the run was made with."""
    go, rust = (
        click.option(
            f"--{side}-version",
            metavar="TEXT",
            help=f"The version of the {side.capitalize()} service, kept with the run.",
        )
        for side in ("go", "rust")
    )
    return go(rust(function))


def explicit() -> frozenset[str]:
    """The names of what was given on the command line or by the environment."""
    context = click.get_current_context()
    defaults = click.core.ParameterSource.DEFAULT, click.core.ParameterSource.DEFAULT_MAP
    return frozenset(
        name
        for name, value in context.params.items()
        if context.get_parameter_source(name) not in defaults and value != ()
    )


def _reports(
    _: click.Context, __: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    reports = []
    for value in values:
        form, equals, path = value.partition("=")
        if not equals or not path:
            raise click.BadParameter(f"{value!r} is not FORMAT=PATH, like json=report.json")
        reports.append((form, path))
    return tuple(reports)


_RUN_OPTIONS = (
    config,
    click.option(
        "--events",
        metavar="PATH",
        help="Where the event log goes; `-` is stdout. Default: beside the store.",
    ),
    click.option(
        "--report",
        "reports",
        multiple=True,
        callback=_reports,
        metavar="FORMAT=PATH",
        help="Also write a report: terminal, json, markdown, html, junit, sarif, github,"
        " annotations or gitlab. Repeatable.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout."),
    click.option("--quiet", is_flag=True, help="Print no progress and no summary."),
    click.option("--no-values", is_flag=True, help="Withhold compared values everywhere."),
    click.option("--all-events", is_flag=True, help="Log header spellings too."),
    click.option(
        "--fail-on",
        type=click.Choice(["divergence", "new", "never"]),
        default="divergence",
        show_default=True,
        help="What makes the exit code 1; `new`: a finding that the run before did not have.",
    ),
    click.option(
        "--since",
        metavar="RUN",
        help="The run that `--fail-on new` looks back at; also an exported file.",
    ),
    click.option(
        "--phase", metavar="NAME", help="Let the gate of this phase decide on the exit code."
    ),
    on_inconclusive,
    click.option(
        "--noise-profile", metavar="FILE", help="Noise learned before, by `shadow noise learn`."
    ),
    click.option("--strict", is_flag=True, help="End the run at the first broken line."),
)


def run(function: Function) -> Function:
    """The options that `replay`, `diff` and `demo` share."""

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if kwargs["as_json"] and kwargs["events"] == "-":
            raise click.UsageError("--json and --events - both want stdout; give --events a file")
        return function(*args, **kwargs)

    wrapped: Any = checked
    for option in reversed(_RUN_OPTIONS):
        wrapped = option(wrapped)
    return store(wrapped)  # type: ignore[no-any-return]  # click's decorators are untyped here


def selection(function: Function) -> Function:
    """The options that choose exchanges of a capture."""
    wrapped: Any = function
    for option in reversed(_SELECTION_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]  # as above


_SELECTION_OPTIONS = (
    click.option("--limit", type=click.IntRange(1), help="Read this many exchanges, then stop."),
    click.option(
        "--sample",
        default=1.0,
        show_default=True,
        type=click.FloatRange(0, 1),
        help="Share of sessions to keep, 0 to 1; whole sessions, by the seed.",
    ),
    click.option("--method", "methods", multiple=True, help="Keep this method. Repeatable."),
    click.option(
        "--endpoint",
        multiple=True,
        metavar="PATTERN",
        help="Keep endpoints like 'GET /v1/items*'. Repeatable.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="PATTERN", help="Leave such endpoints out. Repeatable."
    ),
)
