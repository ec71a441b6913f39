from __future__ import annotations

from shadow.model import Divergence
from shadow.results.record import Change, Seen
from shadow.results.tables import divergences, exchanges


def test_the_columns_of_a_divergence_are_its_fields_in_order() -> None:
    assert tuple(divergences.c.keys())[3:] == Divergence.__struct_fields__


def test_the_columns_of_an_exchange_end_in_what_both_sides_did() -> None:
    expected = [
        f"{side}_{name}" for side in ("baseline", "candidate") for name in Seen.__struct_fields__
    ]
    assert list(exchanges.c.keys())[-len(expected) :] == expected


def test_a_change_names_columns() -> None:
    assert set(Change.__struct_fields__) <= set(divergences.c.keys())
