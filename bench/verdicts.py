"""`make verdicts`: can the verdicts be trusted? Measured, as one table.

python -m bench.verdicts
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from bench import diffy
from services import run, trial
from shadow.compare.classes import classify
from shadow.judge import QUIET
from tests.compare.classes.mutants import mutants
from tests.compare.classes.pairs import Labelled, load

MUTANTS_EACH = 200


def names(labelled: Labelled) -> set[str]:
    """The classes given to a pair."""
    return {cls.id for cls in classify(labelled.pair) if cls is not None}


def rows() -> list[tuple[str, str, bool]]:
    """What was measured, the figure, and whether it is good enough."""
    pairs = load()
    named = [each for each in pairs if each.label != "none" and each.decidable != "corpus"]
    misses = [each for each in pairs if each.label == "none"]
    right = [each for each in named if names(each) & {each.label, *each.accept}]
    silent = [each for each in misses if not names(each) - QUIET]
    made = [mutant for each in named for mutant in mutants(each, MUTANTS_EACH, seed=2)]
    excused = sum(mutant.excused for mutant in made)
    return [
        ("labelled pairs named right", f"{len(right)} of {len(named)}", right == named),
        ("near-misses left alone", f"{len(silent)} of {len(misses)}", silent == misses),
        (
            "one-character mutants excused",
            f"{excused} of {len(made)} ({excused / len(made):.2%})",
            excused <= 0.01 * len(made),
        ),
        *_against_go(),
        *_defects(),
    ]


def _against_go() -> list[tuple[str, str, bool]]:
    found = trial.divergent(trial.replay(run.GO))
    return [("findings, Go against Go", str(len(found)), not found)]


def _defects() -> list[tuple[str, str, bool]]:
    known = {row["signature"] for row in trial.expected()["divergent"]}
    told = []
    for defect in (*trial.DEFECTS, trial.SLOW_TAIL):
        summary = trial.replay(defects=defect.name, arguments=defect.arguments)
        places = {
            trial.place(each) for each in trial.divergent(summary) if each["signature"] not in known
        }
        endpoints = {endpoint for endpoint, _, _ in places}
        good = defect.places <= places and endpoints == {place[0] for place in defect.places}
        endpoint, where, path = min(defect.places)
        told.append((f"defect {defect.name}", f"{endpoint}  {where} {path}", good))
    return told


def main() -> int:
    """Print the table; 1 where a figure is missed."""
    table = Table("what", "measured", "", title="Verdicts")
    found = [*rows(), *diffy.rows()]
    for what, measured, good in found:
        table.add_row(what, measured, "ok" if good else "MISSED")
    Console().print(table)
    return 0 if all(good for _, _, good in found) else 1


if __name__ == "__main__":
    sys.exit(main())
