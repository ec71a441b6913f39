from __future__ import annotations

import msgspec
import pytest

from shadow.masking import Masker
from shadow.model import (
    Answer,
    Divergence,
    Exchange,
    Judgement,
    NoAnswer,
    Outcome,
    Request,
    Response,
    Timing,
    isomorphic,
)
from shadow.results.record import Change, Record, Revision, Seen

TIMING = Timing(due=1.0, sent=1.5, done=1.7500004)


def judged(**fields: object) -> Divergence:
    given = {"where": "body", "kind": "value_changed", "signature": "0" * 16, **fields}
    given.setdefault("path_pattern", given["path"])
    return msgspec.convert(given, Divergence)


def test_an_answer_is_kept_as_status_and_whole_microseconds() -> None:
    answer = Answer(response=Response(status=204, body=b"x"), timing=TIMING)
    assert Seen.of(answer) == Seen(status=204, service_us=250_000, response_us=750_000)
    assert Seen.of(Answer(response=Response(status=200))) == Seen(status=200)


def test_a_failure_is_kept_as_its_kind() -> None:
    failure = NoAnswer(kind="timeout", detail="after 5 s", timing=TIMING)
    assert Seen.of(failure) == Seen(no_answer="timeout", service_us=250_000, response_us=750_000)


def test_nothing_of_a_record_shows_a_secret() -> None:
    divergences = (
        judged(path="$['token']", baseline='"S3CR3T1"', candidate='"S3CR3T2"'),
        judged(where="header", path="set-cookie/s", baseline="s=S3CR3T", candidate=None),
    )
    record = Record.of(
        Exchange(
            id="x1",
            session="Bearer S3CR3T",
            request=Request(method="GET", target=isomorphic("/grüße?token=S3CR3T&q=1")),
        ),
        Judgement(outcome=Outcome.DIVERGENT, divergences=divergences),
        seq=3,
        endpoint="GET /grüße",
        masker=Masker(),
        baseline=Answer(response=Response(status=200)),
        candidate=NoAnswer(kind="reset"),
    )
    assert b"S3CR3T" not in msgspec.json.encode(record)
    assert record.target.startswith("/grüße?token=[masked:")
    assert record.target.endswith("&q=1")
    assert (record.seq, record.exchange_id, record.method) == (3, "x1", "GET")
    assert (record.baseline, record.candidate) == (Seen(status=200), Seen(no_answer="reset"))
    assert record.divergences[0].baseline != record.divergences[0].candidate


def test_every_text_of_a_record_is_bounded_and_can_be_encoded() -> None:
    long = "\ud800" + "é" * 100_000
    record = Record.of(
        Exchange(
            id=long, session=long, request=Request(method="M" * 999, target="/" + "\xff" * 99_999)
        ),
        Judgement(
            outcome=Outcome.DIVERGENT,
            reason=long,
            divergences=(judged(path=f"$['{long}']", baseline=long, candidate=long),),
        ),
        seq=0,
        endpoint=long,
        masker=Masker(),
    )
    assert len(msgspec.json.encode(record)) < 10_000


def test_a_revision_changes_the_judgement_and_nothing_else() -> None:
    one = judged(path="$['a']", baseline="1", candidate="2")
    two = judged(path="$['b']", baseline="1", candidate="2")
    record = Record(
        seq=1,
        exchange_id="x",
        endpoint="GET /",
        method="GET",
        target="/",
        outcome=Outcome.DIVERGENT,
        divergences=(one, two),
    )
    change = Change(position=1, class_id="c", severity="benign", verdict="noise", rule="noise:x")
    revised = record.revised(Revision(seq=1, outcome=Outcome.EQUIVALENT, changes=(change,)))
    assert revised.outcome is Outcome.EQUIVALENT
    assert revised.divergences[0] == one
    assert revised.divergences[1] == msgspec.structs.replace(
        two, class_id="c", severity="benign", verdict="noise", rule="noise:x"
    )
    assert msgspec.structs.replace(
        revised, outcome=record.outcome, divergences=record.divergences
    ) == (record)


@pytest.mark.parametrize("seconds", [0.0, -0.001])
def test_a_clock_never_yields_a_negative_duration(seconds: float) -> None:
    timing = Timing(due=1.0, sent=1.0, done=1.0 + seconds)
    assert Seen.of(NoAnswer(kind="connect", timing=timing)).service_us == 0
