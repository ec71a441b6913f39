from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shadow.errors import ConfigError
from shadow.masking import Masker
from shadow.minimise import Budget, Spending
from shadow.model import Answer, Exchange, NoAnswer, Request, Response
from shadow.replay.minimising import MOST_TRIALS, TRIALS, _rate, _Shows, _told, minimise

SESSION = [Exchange(id=str(each), request=Request(method="GET", target="/")) for each in range(4)]


class Counter:
    """Shows at the given tries, counted from 1."""

    def __init__(self, *shown: int) -> None:
        self.asked = 0
        self._shown = shown

    async def __call__(self, _: Sequence[Exchange]) -> bool:
        self.asked += 1
        return self.asked in self._shown


def rate(shows: Counter, budget: Budget) -> tuple[tuple[int, int], Spending]:
    spending = Spending(budget)
    return asyncio.run(_rate(cast("_Shows", shows), SESSION, spending)), spending


@pytest.mark.parametrize(
    ("shown", "requests", "found"),
    [
        ((*range(1, 11),), 1_000, (10, TRIALS)),
        ((2, 5), 1_000, (2, TRIALS)),
        ((57,), 1_000, (1, 57)),
        ((), 100_000, (0, MOST_TRIALS)),
        ((1,), 24, (1, 3)),
        ((), 7, (0, 0)),
    ],
)
def test_trials_take_half_of_the_budget_at_most(
    shown: tuple[int, ...], requests: int, found: tuple[int, int]
) -> None:
    shows = Counter(*shown)
    got, spending = rate(shows, Budget(requests=requests))
    assert got == found
    assert shows.asked == found[1]
    assert spending.requests == found[1] * len(SESSION) <= requests / 2


def test_without_time_nothing_is_tried() -> None:
    assert rate(Counter(1), Budget(seconds=-1.0))[0] == (0, 0)


def told(body: bytes, *headers: tuple[str, str]) -> str:
    answer = Answer(response=Response(status=200, headers=headers, body=body))
    said = _told(answer, Masker())
    return "\n".join([said.status, *said.headers, said.body])


def test_no_secret_of_an_answer_is_told() -> None:
    said = told(
        b'{"token":"HIDDEN1","user":"u-1"}',
        ("Content-Type", "application/json"),
        ("Set-Cookie", "sid=HIDDEN2; HttpOnly"),
        ("Location", "/next?api_key=HIDDEN3"),
    )
    assert "HIDDEN" not in said
    assert all(each in said for each in ("u-1", "sid=", "HttpOnly", "/next?api_key="))


def test_a_coded_body_is_told_as_text_and_cut() -> None:
    body = gzip.compress(b'{"token":"HIDDEN","a":"' + b"long " * 1_000 + b'"}')
    said = told(body, ("Content-Encoding", "gzip"))
    assert "long long" in said
    assert "HIDDEN" not in said
    assert len(said) < 1_100
    assert "not what Content-Encoding says" in told(b"plain", ("Content-Encoding", "gzip"))


def test_no_answer_says_why() -> None:
    assert _told(NoAnswer(kind="reset"), Masker()).status == "no answer: reset"


@pytest.mark.parametrize(("out", "http"), [("missing/a.jsonl", None), (None, "missing/a.http")])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(
    out: str | None, http: str | None
) -> None:
    plan: Any = SimpleNamespace(out=out, wanted=SimpleNamespace(http=http))
    with pytest.raises(ConfigError, match=r"missing/a.*is no directory"):
        minimise(plan)
