"""A run that could not come to its end has passed no gate, whatever the gate said before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadow.captures import Share
from shadow.compare.noise import NoiseProfile
from shadow.errors import UnfinishedError
from shadow.events import Events
from shadow.judge import Policy
from shadow.model import Exchange, Judgement, Outcome, Request
from shadow.replay import conduct as conducting
from shadow.replay.conduct import conduct
from shadow.replay.delivery import Output
from shadow.replay.hooks import HookLog
from shadow.replay.ledger import Ledger
from shadow.replay.stopping import Stop
from shadow.results.gates.criteria import Criteria
from shadow.results.runs import RunInfo, Side
from shadow.results.store import Store
from shadow.rollout.gating import GatePlan


class Matches:
    """A job of three hundred matches."""

    policy = Policy()
    noise: NoiseProfile | None = None

    def work(self, ledger: Ledger, share: Share, stop: Stop) -> None:
        for number in range(300):
            request = Request(method="GET", target=f"/v1/items/{number}")
            exchange = Exchange(id=str(number), request=request)
            judgement = Judgement(outcome=Outcome.MATCH)
            ledger.keep(exchange, "GET /v1/items/{id}", judgement, ordinal=number)


def run(folder: Path, info: RunInfo | None = None, **given: Any) -> int:
    return conduct(
        info or RunInfo(command="diff", baseline=Side(name="go"), candidate=Side(name="rust")),
        Output(
            store=str(folder / "shadow.sqlite"),
            quiet=True,
            gate=GatePlan(phase="replay", criteria=Criteria(max_divergence_rate=0.01)),
        ),
        Matches(),
        **given,
    )


def test_a_run_whose_last_event_cannot_be_written_has_passed_no_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path) == 0

    def full(*_: Any) -> None:
        raise UnfinishedError("cannot write events: No space left on device", "free some space")

    # No disk can be made to be full at exactly this line.
    monkeypatch.setattr(Events, "run_finished", full)
    with pytest.raises(UnfinishedError):
        run(tmp_path)
    with Store.open(tmp_path / "shadow.sqlite") as store:
        failed, passed = (store.load(each.id).info for each in store.runs())
    assert (passed.state, passed.gate and passed.gate.verdict) == ("finished", "pass")
    assert (failed.state, failed.gate, failed.exit_code) == ("failed", None, 4)


def test_what_fails_after_an_interrupted_run_does_not_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def hooks(_: HookLog, __: bool) -> Iterator[None]:
        try:
            yield
        finally:
            raise UnfinishedError("hook after_run of go: it failed", "mend it")

    monkeypatch.setattr(conducting, "work", interrupted)
    assert run(tmp_path, workers=2, hooks=hooks) == 130


def test_a_run_that_ended_before_it_sent_anything_has_its_hooks_when_it_goes_on(
    tmp_path: Path,
) -> None:
    said: list[bool] = []

    @contextlib.contextmanager
    def hooks(_: HookLog, begun: bool) -> Iterator[None]:
        said.append(begun)
        if len(said) == 1:
            raise UnfinishedError("hook reset of go: it failed", "mend it")
        yield
        raise UnfinishedError("hook after_run of go: it failed", "mend it")

    info = None
    for _ in range(3):
        with pytest.raises(UnfinishedError, match="hook"):
            run(tmp_path, info, hooks=hooks)
        with Store.open(tmp_path / "shadow.sqlite") as store:
            info = store.load("latest").info
    assert said == [False, False, True]
