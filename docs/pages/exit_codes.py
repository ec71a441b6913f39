"""The reference of the exit codes, from the constants behind them."""

from __future__ import annotations

from typing import Final

from docs.pages.markdown import page, table
from shadow.errors import ShadowError, UnfinishedError
from shadow.replay.conduct import INTERRUPTED
from shadow.results.cautions import MAX_HOLLOW, MAX_INCOMPARABLE

_FAILS: Final = (
    "Completed, and something fails: a divergence that nothing excuses, an `[[accept]]` rule "
    "whose date has passed, or, with `--phase`, a criterion of its gate."
)
_INCONCLUSIVE: Final = (
    f"Inconclusive: nothing was judged, or of what was sent more than {MAX_INCOMPARABLE:.0%} is "
    f"incomparable, or more than {MAX_HOLLOW:.0%} is hollow (recorded as a success, and the "
    "baseline now answers 401, 403, 404, 409 or 5xx). Or a gate needs more evidence."
)


def render() -> str:
    """docs/reference/exit-codes.md."""
    rows = [
        ("0", "Completed, and nothing fails.", "Go on."),
        (
            "1",
            _FAILS,
            "Read the findings: `shadow report`.",
        ),
        (
            str(ShadowError.exit_code),
            "The command, the config or a capture is wrong. Nothing was judged.",
            "One line on stderr names the option, file or line, and a hint says what to do.",
        ),
        (
            "3",
            _INCONCLUSIVE,
            "See the warnings of the run; often the baseline lacks the recording's data.",
        ),
        (
            str(UnfinishedError.exit_code),
            "Could not complete: a target is unreachable, the disk is full.",
            "Mend it and run again; what was done is in the store.",
        ),
        (str(INTERRUPTED), "Interrupted (Ctrl-C, SIGTERM).", "What was done is in the store."),
    ]
    note = (
        "Where several hold, the first of 130, 4, 1, 3, 0 is given. `--fail-on new` makes 1 mean "
        "a finding that the run before did not have, `--fail-on never` turns 1 off, and "
        "`--on-inconclusive pass` turns 3 into 0. With `--phase NAME` 0, 1 and 3 are what the "
        "gate of that phase says, whatever `--fail-on` asks for."
    )
    return page("Exit codes", table(["code", "meaning", "what to do"], rows), note)
