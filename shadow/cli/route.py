"""`shadow route`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from shadow.cli import options
from shadow.cli.phase import user_name

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group(name="route", short_help="Show and change what the sidecars serve from Rust.")
def command() -> None:
    """Show where the routes stand, move a share of traffic to Rust, and take it back.

    A ROUTE is an endpoint like 'GET /v1/items/{id}', or '*' for all of them. The commands work
    on the store: sidecars that use it follow within a second. With --admin they ask one sidecar
    by its admin port; its token is read from SHADOW_ADMIN_TOKEN or --token-file.
    """


_WHERE = (
    options.store,
    click.option("--admin", metavar="URL", help="Ask this admin port instead of the store."),
    click.option("--token-file", metavar="FILE", help="Holds the token of the admin port."),
    click.option("--json", "as_json", is_flag=True, help="Print it as JSON on stdout."),
)
_WHO = click.option("--by", default=user_name, help="Who does it; default: your user name.")
_WHY_OPTIONAL = click.option("--reason", default="", help="Why.")
_WHY = click.option("--reason", required=True, help="Why; goes to the ledger.")


def _located(function: Function) -> Function:
    """The options that say where the routes are."""
    wrapped: Any = function
    for option in reversed(_WHERE):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]  # click's decorators are untyped here


@command.command(name="status")
@_located
def status(**given: Any) -> int:
    """Show where each route stands, since when, by whom and why, and the last changes."""
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - loaded when the command runs
    from shadow.reports import machine  # noqa: PLC0415 - as above
    from shadow.rollout import routes  # noqa: PLC0415 - as above

    found = _routes(given).standing()
    if given["as_json"]:
        print_data(machine.render(found))
    else:
        click.echo(routes.standing_text(found), nl=False)
    return 0


@command.command(name="set")
@click.argument("route")
@click.argument("percent", type=options.FiniteRange(0, 100))
@_WHY_OPTIONAL
@_WHO
@_located
def set_(**given: Any) -> int:
    """Let Rust serve PERCENT of ROUTE, whatever percentage the flag says.

    The kill switch of the flags, and a latch, are stronger.

    \b
    shadow route set 'GET /v1/items/{id}' 5 --reason "first canary"
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    return _change("set", given)


@command.command(name="unset")
@click.argument("route")
@_WHY_OPTIONAL
@_WHO
@_located
def unset(**given: Any) -> int:
    """Let the flag decide on ROUTE again."""
    return _change("unset", given)


@command.command(name="abort")
@click.argument("route", default="*")
@_WHY
@_WHO
@_located
def abort(**given: Any) -> int:
    """Go serves ROUTE, by default all routes, from now on and until a reset.

    \b
    shadow route abort --reason "INC-7"
    """  # noqa: D301 - as above
    return _change("abort", given)


@command.command(name="reset")
@click.argument("route")
@_WHY
@_WHO
@_located
def reset(**given: Any) -> int:
    """Open a ROUTE that a guard or an abort has latched; its evidence begins anew.

    A reset of '*' opens '*': routes that are latched themselves stay so.
    """
    return _change("reset", given)


def _change(action: Any, given: dict[str, Any]) -> int:
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.telling import tell  # noqa: PLC0415 - as above
    from shadow.reports import machine  # noqa: PLC0415 - as above
    from shadow.rollout import routes  # noqa: PLC0415 - as above

    change = routes.asked(
        action,
        given["route"],
        percent=given.get("percent"),
        reason=given["reason"],
        by=given["by"],
    )
    moved = _routes(given).change(change)
    for line in routes.notes(moved):
        tell(line)
    if given["as_json"]:
        print_data(machine.render(moved))
    else:
        click.echo(routes.moved_text(moved))
    return 0


def _routes(given: dict[str, Any]) -> Any:
    """The routes in the store, or those of an admin port."""
    from shadow.rollout import routes  # noqa: PLC0415 - loaded when the command runs

    token = os.environ.get(routes.TOKEN_VARIABLE, "")
    return routes.opened(given["store"], given["admin"], given["token_file"], token)
