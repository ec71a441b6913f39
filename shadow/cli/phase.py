"""`shadow phase`."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from shadow.cli import options

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group(name="phase", short_help="Show, promote and demote the phases of the rollout.")
def command() -> None:
    """Show where the rollout stands, and record who takes it on or back. No traffic is moved."""


def _versions(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for value, (name, _equals, version) in zip(values, pairs, strict=True):
        if not name or not version:
            raise click.BadParameter(f"{value!r} is not NAME=VERSION, like rust=1.4.2")
    return {name: version for name, _equals, version in pairs}


def user_name() -> str:
    """The user name, or the number where the system knows none, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


_ACCOUNT = (
    click.option("--by", default=user_name, help="Who decides; default: your user name."),
    click.option("--reason", default="", help="Why."),
    click.option("--risk", default="", help="What may go wrong."),
    click.option("--incident", default="", help="The incident it belongs to."),
    click.option("--escalate-to", default="", help="Whom to call."),
    click.option("--note", default="", help="Whatever else is to be remembered."),
    click.option(
        "--version",
        "versions",
        multiple=True,
        callback=_versions,
        metavar="NAME=VERSION",
        help="Version of a service, like rust=1.4.2. Repeatable.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON."),
    options.config,
    options.store,
)


def _accounted(function: Function) -> Function:
    """The options that promote and demote share."""
    wrapped: Any = function
    for option in reversed(_ACCOUNT):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]  # click's decorators are untyped here


@command.command(name="status")
@click.option("--run", default="latest", show_default=True, help="The run to judge by.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON on stdout.")
@options.config
@options.store
def status(**given: Any) -> int:
    """Show where each phase stands, what the current one lacks, and the last decisions."""
    from shadow.config import file, gating  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - as above
    from shadow.reports import machine  # noqa: PLC0415 - as above
    from shadow.rollout import shown  # noqa: PLC0415 - as above
    from shadow.rollout.deciding import status  # noqa: PLC0415 - as above

    found = status(given["store"], given["run"], gating.phases_plan(file.load(given["config"])))
    if given["as_json"]:
        print_data(machine.render(found))
    else:
        click.echo(shown.status_text(found), nl=False)
    return 0


@command.command(name="promote")
@click.option("--run", default="latest", show_default=True, help="The run it rests on.")
@click.option(
    "--override", is_flag=True, help="Against the gate; needs --reason and --risk, and is recorded."
)
@_accounted
def promote(**given: Any) -> int:
    """Record that the rollout goes on to the next phase. No traffic is moved.

    The gate of the current phase must pass the run, and the run must be from this phase. Else
    nothing is recorded, and the exit code is the gate's: 1 or 3.

    \b
    shadow phase promote --run 20261122 --by ada --version rust=1.4.2
    shadow phase promote --override --reason "release train" --risk "p99 unknown" --escalate-to sre
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config import file, gating  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - as above
    from shadow.replay.telling import tell  # noqa: PLC0415 - as above
    from shadow.reports import machine  # noqa: PLC0415 - as above
    from shadow.rollout import deciding, shown  # noqa: PLC0415 - as above

    plan = gating.phases_plan(file.load(given["config"]))
    account = deciding.account(given)
    result = deciding.promote(
        given["store"], given["run"], plan, account, override=given["override"], tell=tell
    )
    if given["as_json"]:
        print_data(machine.render(result))
    else:
        click.echo(shown.promotion_text(result), nl=False)
    return result.exit_code


@command.command(name="demote")
@click.option("--to", metavar="PHASE", help="An earlier phase; default: the one before.")
@click.option("--run", help="The run that showed it.")
@_accounted
def demote(**given: Any) -> int:
    """Record that the rollout goes back, for a reason or an incident. No traffic is moved.

    \b
    shadow phase demote --incident INC-7 --reason "5xx on POST /v1/quote" --escalate-to sre
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config import file, gating  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - as above
    from shadow.replay.telling import tell  # noqa: PLC0415 - as above
    from shadow.reports import machine  # noqa: PLC0415 - as above
    from shadow.rollout import deciding, shown  # noqa: PLC0415 - as above

    plan = gating.phases_plan(file.load(given["config"]))
    account = deciding.account(given)
    made = deciding.demote(given["store"], given["run"], plan, account, to=given["to"], tell=tell)
    if given["as_json"]:
        print_data(machine.render(made))
    else:
        click.echo(shown.decision_text(made), nl=False)
    return 0
