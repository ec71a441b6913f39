"""`shadow gate`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="gate", short_help="Say whether a run meets the exit criteria of a phase.")
@click.argument("run", default="latest", metavar="[RUN]")
@click.option("--phase", required=True, metavar="NAME", help="A [gates.NAME] of shadow.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON on stdout.")
@options.on_inconclusive
@options.config
@options.store
def command(*, run: str, phase: str, as_json: bool, on_inconclusive: str, **given: Any) -> int:
    """Say whether a run meets the exit criteria of a phase: 0 pass, 1 fail, 3 inconclusive.

    RUN is an id, the beginning of one, `latest`, or an exported file. Each criterion is a line
    with what was measured, the bound, and, where it is not decided yet, how many more exchanges
    would do.

    \b
    shadow gate --phase replay
    shadow gate 20261122 --phase replay --json
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config import file, gating  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - as above
    from shadow.replay.telling import tell  # noqa: PLC0415 - as above
    from shadow.reports import machine, show  # noqa: PLC0415 - as above
    from shadow.results.gates.verdicts import exit_code  # noqa: PLC0415 - as above
    from shadow.rollout.gating import gate  # noqa: PLC0415 - as above

    plan = gating.gate_plan(file.load(given["config"]), phase)
    result = gate(given["store"], run, plan, tell=tell)
    if as_json:
        print_data(machine.render(result))
    else:
        click.echo(show.gate_as_text(result), nl=False)
    return exit_code(result, on_inconclusive)
