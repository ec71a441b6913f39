"""Options that several commands share."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


class FiniteRange(click.FloatRange):
    """A range of numbers. Of click's own, `nan` is in every one: it compares with no bound."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the number. Raises BadParameter."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is no finite number.", param, ctx)
        return number


def store(function: Function) -> Function:
    """`--store`: where runs are kept."""
    return click.option(
        "--store",
        default=".shadow/shadow.sqlite",
        show_default=True,
        metavar="URL",
        help="SQLite file that keeps the runs, or postgresql://USER@HOST/NAME.",
    )(function)


def config(function: Function) -> Function:
    """`--config`: the shadow.toml."""
    return click.option(
        "--config", metavar="PATH", help="shadow.toml; default: the nearest one upward."
    )(function)


def services(function: Function) -> Function:
    """`--go` and `--rust`: whom to ask."""
    go = click.option(
        "--go", "--baseline", "baseline", metavar="URL", help="The service trusted today."
    )
    rust = click.option(
        "--rust", "--candidate", "candidate", metavar="URL", help="The service under test."
    )
    return go(rust(function))


def captures_or(option: str) -> Callable[[Function], Function]:
    """`CAPTURE…`: one at least, unless `option` says where requests come from."""

    def check(
        context: click.Context, parameter: click.Parameter, captures: tuple[str, ...]
    ) -> tuple[str, ...]:
        if not captures and context.params.get(option) is None:
            raise click.MissingParameter(ctx=context, param=parameter)
        return captures

    return click.argument("captures", nargs=-1, metavar="CAPTURE…", callback=check)


def timeout(seconds: float = 30.0) -> Callable[[Function], Function]:
    """`--timeout`: how long a request may take."""
    return click.option(
        "--timeout",
        default=seconds,
        show_default=True,
        type=FiniteRange(0, min_open=True),
        help="Seconds a request may take in all.",
    )


def allow_commands(function: Function) -> Function:
    """`--allow-commands`: hooks and auth of the config may run commands."""
    return click.option(
        "--allow-commands", is_flag=True, help="Run the commands that shadow.toml names."
    )(function)


def allow_writes(function: Function) -> Function:
    """`--allow-writes`: what is sent beside reads."""
    return click.option(
        "--allow-writes", is_flag=True, help="Also send what is not safe (POST, PATCH …)."
    )(function)


def concurrency(function: Function) -> Function:
    """`--concurrency`: how much is asked at once."""
    return click.option(
        "--concurrency",
        default=16,
        show_default=True,
        type=click.IntRange(1, 10_000),
        help="Exchanges in flight at once.",
    )(function)


def patterns(function: Function) -> Function:
    """`--endpoint` and `--exclude`: which endpoints."""
    keep = click.option(
        "--endpoint",
        multiple=True,
        metavar="PATTERN",
        help="Keep endpoints like 'GET /v1/items*'. Repeatable.",
    )
    leave = click.option(
        "--exclude", multiple=True, metavar="PATTERN", help="Leave such endpoints out. Repeatable."
    )
    return keep(leave(function))


def limit(function: Function) -> Function:
    """`--limit`: how much of a capture."""
    return click.option(
        "--limit", type=click.IntRange(1), help="Read this many exchanges, then stop."
    )(function)


def noise_profile(function: Function) -> Function:
    """`--noise-profile`: what is known of Go's noise."""
    return click.option(
        "--noise-profile", metavar="FILE", help="Noise learned before, by `shadow noise learn`."
    )(function)


def encrypt_to(function: Function) -> Function:
    """`--encrypt-to`: the public keys that a capture is encrypted for."""
    return click.option(
        "--encrypt-to",
        multiple=True,
        metavar="KEY",
        help="Encrypt with age for this public key, age1… or a file of keys; repeatable.",
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
    noise_profile,
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
    limit,
    click.option(
        "--sample",
        default=1.0,
        show_default=True,
        type=FiniteRange(0, 1),
        help="Share of sessions to keep, 0 to 1; whole sessions, by the seed.",
    ),
    click.option("--method", "methods", multiple=True, help="Keep this method. Repeatable."),
    patterns,
)


def listen(default: str) -> Callable[[Function], Function]:
    """`--listen`: where clients come in."""
    return click.option(
        "--listen",
        default=default,
        show_default=True,
        metavar="HOST:PORT",
        help="Where clients come in. Port 0 takes a free one.",
    )


_STATUS = click.option(
    "--status",
    default="0.0.0.0:9464",
    show_default=True,
    metavar="HOST:PORT",
    help="Read-only port: /-/healthz, /-/readyz, /metrics and, with `[gates]`, /-/gate;"
    " `off` for none.",
)
_DRAIN = click.option(
    "--drain",
    default="25s",
    show_default=True,
    metavar="TIME",
    help="What requests in flight may take after SIGTERM.",
)
_TIMEOUT = click.option(
    "--timeout",
    default="30s",
    show_default=True,
    metavar="TIME",
    help="What a service may take to begin an answer, and between two parts of it.",
)
_SESSION = click.option(
    "--session",
    metavar="WHERE:NAME",
    help="What tells clients apart: cookie:NAME or header:NAME.",
)
_SIDECAR_OPTIONS = (
    services,
    click.option("--secondary", metavar="URL", help="A second Go instance: learn noise from it."),
    click.option(
        "--noise",
        type=click.Choice(["off", "twice"]),
        default="off",
        show_default=True,
        help="`twice` asks the Go service twice: the first 20 reads of an endpoint, and one in 20.",
    ),
    _STATUS,
    click.option(
        "--admin",
        metavar="HOST:PORT",
        help="Admin port with the live page, as 127.0.0.1:9465; its token is in"
        " SHADOW_ADMIN_TOKEN. Default: none.",
    ),
    click.option(
        "--admin-token-file", metavar="FILE", help="Read the token of the admin port from here."
    ),
    click.option(
        "--admin-host",
        multiple=True,
        metavar="NAME",
        help="A name that leads to the admin port, besides localhost. Repeatable.",
    ),
    click.option(
        "--allow-writes",
        is_flag=True,
        help="Also copy writes to what is marked `isolated`: of a proxy the candidate, of a sink"
        " both.",
    ),
    _SESSION,
    click.option(
        "--sample",
        default=1.0,
        show_default=True,
        type=FiniteRange(0, 1),
        help="Share of exchanges that are compared; of a proxy `shadow-sample` may lower it.",
    ),
    click.option(
        "--queue",
        default=1024,
        show_default=True,
        type=click.IntRange(1, 1_000_000),
        help="Copies that may wait; beyond, they are shed and counted.",
    ),
    click.option(
        "--queue-bytes",
        default="64MiB",
        show_default=True,
        metavar="SIZE",
        help="What they may hold.",
    ),
    click.option(
        "--concurrency",
        default=64,
        show_default=True,
        type=click.IntRange(1, 10_000),
        help="Copies in flight at once.",
    ),
    click.option(
        "--connect-rate",
        default=100,
        show_default=True,
        type=click.IntRange(1, 100_000),
        help="New connections a second for copies, to each service; more only where a service"
        " closes each of them.",
    ),
    _TIMEOUT,
    click.option(
        "--window",
        default="1h",
        show_default=True,
        metavar="TIME",
        help="How long a run of the store is; then the next one begins.",
    ),
    click.option(
        "--keep-windows",
        default=48,
        show_default=True,
        type=click.IntRange(1, 10_000),
        help="Runs of this command that stay in the store; older ones are forgotten.",
    ),
    noise_profile,
    click.option("--no-values", is_flag=True, help="Withhold compared values everywhere."),
    click.option("--traces", is_flag=True, help="OpenTelemetry spans of both sides."),
    _DRAIN,
    click.option(
        "--events",
        metavar="PATH",
        help="One event log for all windows. Default: one a window, beside the store.",
    ),
)


def sidecar(function: Function) -> Function:
    """The options that `proxy` and `sink` share."""
    wrapped: Any = function
    for option in reversed(_SIDECAR_OPTIONS):
        wrapped = option(wrapped)
    return config(store(versions(wrapped)))  # type: ignore[no-any-return]  # as above


def recording(function: Function) -> Function:
    """The options that `record` shares with the other two."""
    return _STATUS(_SESSION(_TIMEOUT(_DRAIN(function))))
