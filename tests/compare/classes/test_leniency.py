from __future__ import annotations

import pytest

from shadow.compare.classes import leniency
from shadow.compare.classes.examples import answer, http_error, plain
from shadow.model import Observation
from tests.compare.classes.http_families import explained_by

TAKEN = answer(200, "{}")
TIME = 'parsing time "2024-01-02t03:04:05z" as "2006-01-02T15:04:05Z07:00": cannot parse'


def explained(go: Observation, rust: Observation) -> list[str]:
    return explained_by(leniency, go, rust)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_exactly_one_side_refuses(status: int) -> None:
    assert explained(http_error(status, TIME), TAKEN) == ["time-parse-leniency"]
    assert explained(http_error(status, TIME), plain(status, TIME)) == []
    rust = plain(status, "since: premature end of input at line 1 column 30")
    assert explained(TAKEN, rust) == ["time-parse-leniency"]
    assert explained(answer(401), rust) == []


@pytest.mark.parametrize(
    ("go", "rust", "named"),
    [
        ('strconv.ParseBool: parsing "oui": invalid syntax', None, True),
        ('strconv.ParseFloat: parsing "1e400": value out of range', None, True),
        ('strconv.ParseFloat: parsing "x": invalid syntax', None, False),
        (None, "flag: provided string was not `true` or `false`", True),
        (None, "invalid float literal", True),
        (None, "invalid float literals", False),
    ],
)
def test_the_texts_of_the_number_parsers(go: str | None, rust: str | None, *, named: bool) -> None:
    sides = http_error(400, go) if go else TAKEN, plain(400, rust) if rust else TAKEN
    assert explained(*sides) == (["parse-leniency"] if named else [])
