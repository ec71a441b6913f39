"""The committed capture against the real services, with and without planted defects."""

from __future__ import annotations

from typing import Any

import pytest

from services import run, trial

pytestmark = pytest.mark.e2e


def accounted(summary: dict[str, Any]) -> bool:
    outcomes = ("match", "equivalent", "divergent", "incomparable", "skipped")
    return bool(summary["read"] == sum(summary[outcome] for outcome in outcomes))


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Signatures of the findings that the pair has without a defect."""
    return {row["signature"] for row in trial.expected()["divergent"]}


def test_without_a_defect_exactly_the_committed_findings_are_there() -> None:
    summary = trial.replay()
    expected = trial.expected()
    assert accounted(summary)
    assert summary["read"] == 2_000
    assert summary["hollow"] == summary["broken"] == summary["incomparable"] == 0
    found = {
        (each["signature"], each["class"], each["endpoint"], each["path_pattern"])
        for each in trial.divergent(summary)
    }
    assert found == {
        (row["signature"], row["class"], row["endpoint"], row["path_pattern"])
        for row in expected["divergent"]
    }


def test_the_volatile_places_are_noise_and_nothing_else_is() -> None:
    summary = trial.replay()
    noise = {trial.place(each) for each in summary["findings"] if each["verdict"] == "noise"}
    volatile = trial.expected()["volatile"]
    assert noise <= {place_of(row) for row in volatile}
    # An order is no difference any more once it is known to be unstable.
    assert {place_of(row) for row in volatile if row["kind"] != "reordered"} <= noise


def place_of(row: dict[str, Any]) -> trial.Place:
    return row["endpoint"], row["where"], row["path_pattern"]


@pytest.mark.parametrize("seed", [42, 7])
def test_go_against_go_has_no_finding(seed: int) -> None:
    summary = trial.replay(run.GO, seed=seed)
    assert accounted(summary)
    assert trial.divergent(summary) == []
    if seed == trial.SEED:  # with another seed, other items exist than were recorded: hollow
        assert summary["exit_code"] == 0


@pytest.mark.parametrize("defect", trial.DEFECTS, ids=lambda defect: defect.name)
def test_each_defect_is_found_where_it_is_and_nothing_else_new(
    defect: trial.Defect, known: set[str]
) -> None:
    summary = trial.replay(defects=defect.name, arguments=defect.arguments)
    found = trial.divergent(summary)
    places = {trial.place(each) for each in found if each["signature"] not in known}
    assert defect.places <= places
    assert {endpoint for endpoint, _, _ in places} == {endpoint for endpoint, _, _ in defect.places}
    assert summary["exit_code"] == 1


def test_a_slow_tail_is_found_by_a_limit_that_go_keeps() -> None:
    summary = trial.replay(defects="slow-tail", arguments=trial.SLOW_TAIL.arguments)
    late = [each for each in trial.divergent(summary) if each["where"] == "transport"]
    assert [trial.place(each) for each in late] == list(trial.SLOW_TAIL.places)
    assert late[0]["exchanges"] >= 5
