"""The engine where sessions carry values, hooks stand before them, and the state is asked about."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import UnfinishedError
from shadow.model import Answer, Exchange, NoAnswer, Observation, Outcome, Request, Response
from shadow.replay.hooks import Hooks
from shadow.replay.state import Probe, Prober, Probes
from shadow.sending.safety import Safety
from shadow.sessions.live import Correlator
from shadow.sessions.places import parse_place
from shadow.sessions.rules import Rule, Rules, Sink, Source
from tests.replay.loop.test_engine import RECORDS, Fickle, Notes, engine, exchange, record

LOGIN, TOKEN = "POST /login", "recorded-token-1"
RULES = Rules(
    [
        Rule(
            "token",
            Source(LOGIN, parse_place("$.token")),
            (Sink("*", parse_place("header:authorization")),),
        )
    ]
)


class Shop:
    """A service with a token of its own and a number that writes add to."""

    def __init__(self, token: str, *, adds: int = 1, silent: bool = False) -> None:
        self.token = token
        self.adds = adds
        self.silent = silent
        self.total = 0
        self.asked: list[str] = []

    def render(self, request: Request) -> Request:
        return request

    def start(self, message: Request, **_: Any) -> bool:
        return False

    async def send(self, message: Request, **_: Any) -> Observation:
        self.asked.append(f"{message.method} {message.target}")
        await asyncio.sleep(0)
        if message.target == "/login":
            return NoAnswer(kind="timeout") if self.silent else self.told({"token": self.token})
        if dict(message.headers).get("Authorization") != f"Bearer {self.token}":
            return Answer(response=Response(status=401))
        if message.method == "POST":
            self.total += self.adds
            return self.told({"ok": True})
        return self.told({"total": self.total})

    @staticmethod
    def told(body: object) -> Answer:
        return Answer(response=Response(status=200, body=json.dumps(body).encode()))


def session(name: str, *, writes: int = 1) -> list[Exchange]:
    headers = (("Authorization", f"Bearer {TOKEN}"),)
    given = Shop.told({"token": TOKEN}).response
    login = Request(method="POST", target="/login")
    add = Request(method="POST", target="/things", headers=headers)
    return [
        Exchange(id=f"{name}-login", session=name, request=login, response=given),
        *(Exchange(id=f"{name}-{n}", session=name, request=add) for n in range(writes)),
    ]


def replayed(
    records: list[Exchange],
    baseline: Shop,
    candidate: Shop,
    *,
    writes: bool = True,
    probe: Probe | None = None,
    **changes: Any,
) -> Notes:
    notes, correlator = Notes(), Correlator(RULES)
    prober = None
    if probe is not None:
        services: Any = (baseline, candidate)
        prober = Prober(Probes(probes=(probe,)), services, correlator)
    driven = engine(
        baseline,
        candidate,
        notes,
        safety=changes.pop("safety", Safety(allow_writes=writes)),
        correlator=correlator,
        prober=prober,
        **changes,
    )
    asyncio.run(driven.run(iter(records)))
    return notes


def outcomes(notes: Notes) -> Counter[tuple[str, str]]:
    return Counter((judgement.outcome.value, judgement.reason) for _, judgement in notes.kept)


def test_each_side_is_sent_its_own_token() -> None:
    notes = replayed(
        session("a") + session("b", writes=3), Shop("go-token-11"), Shop("rs-token-22")
    )
    assert outcomes(notes) == {("equivalent", ""): 2, ("match", ""): 4}


@pytest.mark.parametrize("silent", ["go", "rust", "both"])
def test_what_needs_a_token_that_a_side_did_not_give_is_not_sent(silent: str) -> None:
    go = Shop("go-token-11", silent=silent != "rust")
    rust = Shop("rs-token-22", silent=silent != "go")
    notes = replayed(session("a", writes=2), go, rust)
    assert outcomes(notes)["incomparable", "no-value (token)"] == 2
    assert go.asked == rust.asked == ["POST /login"]


def test_what_needs_a_token_whose_login_was_not_sent_is_skipped() -> None:
    read = Request(method="GET", target="/x", headers=(("Authorization", f"Bearer {TOKEN}"),))
    login, *_ = session("a")
    records = [login, Exchange(id="r", session="a", request=read)]
    go = Shop("go-token-11")
    notes = replayed(records, go, Shop("rs-token-22"), writes=False)
    assert outcomes(notes) == {("skipped", "write"): 1, ("skipped", "not-sent (token)"): 1}
    assert go.asked == []


DRAFTS = Probe(
    name="drafts",
    request=Request(method="GET", target="/things", headers=(("Authorization", "Bearer {token}"),)),
)


def test_a_write_that_says_yes_and_stores_something_else_is_found() -> None:
    notes = replayed(
        session("a") + session("b"), Shop("go-token-11"), Shop("rs-token-22", adds=2), probe=DRAFTS
    )
    kept = {each.id: judgement for each, judgement in notes.kept}
    assert {name for name, each in kept.items() if each.outcome == Outcome.DIVERGENT} == {
        "a-0+drafts",
        "b-0+drafts",
    }
    (found,) = kept["a-0+drafts"].divergences
    assert (found.where, found.path) == ("state", "$['total']")
    assert sorted(notes.ordinals) == list(range(6))


def test_equal_state_is_a_match_and_a_session_without_writes_is_not_asked_about() -> None:
    notes = replayed(
        [*session("a"), exchange(9, "c")], Shop("go-token-11"), Shop("rs-token-22"), probe=DRAFTS
    )
    ids = [each.id for each, _ in notes.kept]
    assert [name for name in ids if name.endswith("+drafts")] == ["a-0+drafts"]
    assert {j.outcome for e, j in notes.kept if "+" in e.id} == {Outcome.MATCH}


def test_a_probe_whose_session_has_no_token_is_incomparable() -> None:
    notes = replayed(
        session("a"), Shop("go-token-11", silent=True), Shop("rs-token-22"), probe=DRAFTS
    )
    assert outcomes(notes)["incomparable", "no-value (token)"] == 2


def going_on(done: set[int], sent: set[int], probe: Probe | None = DRAFTS, **changes: Any) -> Notes:
    """What a process keeps that finds so much done by an earlier one, of two sessions."""
    notes, correlator = Notes(), Correlator(RULES)
    notes.cursor, notes.sent = done, sent
    go, rust = Shop("go-token-11"), Shop("rs-token-22", adds=2)
    services: Any = (go, rust)
    driven = engine(
        go,
        rust,
        notes,
        safety=Safety(allow_writes=True),
        correlator=correlator,
        prober=probe and Prober(Probes(probes=(probe,)), services, correlator),
        **changes,
    )
    asyncio.run(driven.run(iter(session("b") + session("a"))))
    return notes


STATE_NOW = Probe(name="now", request=Request(method="GET", target="/things"))


def test_a_run_that_goes_on_asks_about_what_was_written_before() -> None:
    for done, sent in (({0, 1}, {0, 1}), (set[int](), {0, 1}), ({0, 1, 2, 3}, {0, 1, 2, 3})):
        kept = [each.id for each, _ in going_on(done, sent, STATE_NOW).kept]
        assert [each for each in kept if "+" in each] == ["a-0+now", "b-0+now"]


def test_what_was_asked_about_the_state_is_not_kept_twice() -> None:
    notes = going_on({0, 1, 2, 3, 4}, {0, 1, 2, 3}, STATE_NOW)
    assert [(each.id, o) for (each, _), o in zip(notes.kept, notes.ordinals, strict=True)] == [
        ("b-0+now", 5)
    ]


class Watched(Hooks):
    """Hooks that note where they ran, and fail for one session."""

    def __init__(self, failing: str = "") -> None:
        self.ran: list[str] = []
        self.failing = failing

    def has(self, moment: str) -> bool:
        return moment == "before_session"

    async def run(self, moment: str, *, session: str = "") -> None:
        await asyncio.sleep(0)
        if session == self.failing:
            raise UnfinishedError("hook before_session of go: it failed", "mend it")
        self.ran.append(session)


def test_a_hook_runs_before_the_first_request_of_each_session_and_once() -> None:
    hooks = Watched()
    replayed(session("a", writes=3) + session("b"), Shop("go-t-1"), Shop("rust-t-2"), hooks=hooks)
    assert sorted(hooks.ran) == ["a", "b"]


def test_a_hook_that_fails_ends_the_run_and_its_session_is_not_sent() -> None:
    go = Shop("go-token-11")
    with pytest.raises(UnfinishedError, match="before_session"):
        replayed(session("a"), go, Shop("rs-token-22"), hooks=Watched("a"))
    assert go.asked == []


def test_a_run_that_goes_on_begins_no_session_a_second_time() -> None:
    hooks = Watched()
    going_on({0}, {0}, None, hooks=hooks)
    assert hooks.ran == ["a"]


def test_nothing_is_sent_after_a_stop_that_comes_while_a_hook_runs() -> None:
    go, rust, notes = Shop("go-token-11"), Shop("rs-token-22"), Notes()

    class Stopping(Watched):
        async def run(self, moment: str, *, session: str = "") -> None:
            driven.stop()
            await super().run(moment, session=session)

    driven = engine(go, rust, notes, safety=Safety(allow_writes=True), hooks=Stopping())
    asyncio.run(driven.run(iter(session("a"))))
    assert (go.asked, rust.asked, notes.kept) == ([], [], [])


@given(RECORDS, st.integers(0, 1_000), st.floats(0, 1))
def test_in_one_order_for_all_there_is_one_at_a_time(
    kinds: list[str | None], seed: int, failing: float
) -> None:
    baseline, candidate, notes = Fickle(seed, failing), Fickle(seed + 1, failing), Notes()
    records = [record(number, what) for number, what in enumerate(kinds)]
    driven = engine(
        baseline,
        candidate,
        notes,
        options={"order": "global", "window": 5},
        safety=Safety(allow_writes=True),
        correlator=Correlator(RULES),
        hooks=Watched(),
    )
    asyncio.run(driven.run(iter(records)))
    assert sorted(notes.ordinals) == list(range(len(kinds)))
    sent = [int(each.id) for each, j in notes.kept if j.outcome != Outcome.SKIPPED]
    assert sent == sorted(sent)
    assert max(baseline.most_at_once, candidate.most_at_once) <= 1


class Generous(Shop):
    """Gives another token for each login."""

    async def send(self, message: Request, **given: Any) -> Observation:
        if message.target == "/login":
            self.token = f"{self.token[:12]}{int(self.token[12:]) + 1:04}"
        return await super().send(message, **given)


def test_a_login_that_is_repeated_breaks_nothing() -> None:
    notes = replayed(
        session("s", writes=0),
        Shop("baseline-token-1"),
        Generous("candidate-t-0001"),
        safety=Safety(reads=("POST /login",)),
        options={"repeat": 2},
    )
    assert outcomes(notes) == {("equivalent", ""): 1}
