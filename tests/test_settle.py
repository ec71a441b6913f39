from __future__ import annotations

from datetime import date

import pytest

from shadow.compare.accept import AcceptRule, Responsibility
from shadow.compare.classes import CLASSES
from shadow.compare.noise import NoiseProfile
from shadow.judge import Policy, judge, learn
from shadow.masking import Masker
from shadow.model import Answer, Exchange, Headers, Request, Response
from shadow.results.record import Record, Revision
from shadow.settle import Corpus, Memory, Raw, settle

ENDPOINT = "GET /x"
JSON: Headers = (("Content-Type", "application/json"),)


def answer(body: str) -> Answer:
    return Answer(response=Response(status=200, headers=JSON, body=body.encode()))


def record(seq: int, go: str, rust: str, noise: NoiseProfile | None = None) -> Record:
    exchange = Exchange(id=str(seq), request=Request(method="GET", target="/x"))
    judgement = judge(exchange, ENDPOINT, answer(go), answer(rust), Policy(), noise=noise)
    return Record.of(exchange, judgement, seq=seq, endpoint=ENDPOINT, masker=Masker())


def settled(records: list[Record], noise: NoiseProfile | None = None) -> list[Revision]:
    corpus = Corpus()
    for each in records:
        for divergence in each.divergences:
            corpus.add(divergence)
    return list(settle(records, {}, corpus.classes(), noise, Policy()))


@pytest.mark.parametrize(
    ("pairs", "class_id"),
    [
        ([("0", '"Open"'), ("1", '"Closed"'), ("0", '"Open"')], "enum-int-vs-name"),
        ([("97", '"a"'), ("98", '"b"')], "char-vs-number"),
        ([("0", "null"), ("0", "null"), ("0", "null")], "zero-vs-null"),
    ],
)
def test_a_class_that_needs_the_corpus_is_named_at_the_end(
    pairs: list[tuple[str, str]], class_id: str
) -> None:
    records = [
        record(seq, f'{{"v":{go}}}', f'{{"v":{rust}}}') for seq, (go, rust) in enumerate(pairs)
    ]
    revisions = settled(records)
    assert [revision.changes[0].class_id for revision in revisions] == [class_id] * len(pairs)
    assert {revision.outcome for revision in revisions} == {"divergent"}


def test_an_inconsistent_corpus_names_nothing() -> None:
    records = [
        record(seq, f'{{"v":{go}}}', f'{{"v":"{rust}"}}')
        for seq, (go, rust) in enumerate([(0, "Open"), (0, "Closed"), (1, "Open")])
    ]
    assert settled(records) == []


def test_a_place_found_noisy_late_settles_what_was_judged_before() -> None:
    first, second = (f'{{"at":"2026-11-22T10:00:0{n}Z"}}' for n in (1, 2))
    early = record(0, first, second)
    assert early.outcome == "divergent"
    noise = NoiseProfile()
    learn(ENDPOINT, answer(first), answer(second), noise, Policy())
    (revision,) = settled([early], noise)
    assert (revision.outcome, revision.changes[0].verdict) == ("equivalent", "noise")
    assert revision.changes[0].rule == "noise:string:time-z"


def test_a_masked_value_keeps_its_verdict() -> None:
    noise = NoiseProfile()
    tokens = [f'{{"token":"{n}f8e7d6c5b4a3021"}}' for n in (1, 2, 3)]
    early = record(0, tokens[0], tokens[1])
    assert "[masked:" in (early.divergences[0].baseline or "")
    learn(ENDPOINT, answer(tokens[0]), answer(tokens[1]), noise, Policy())
    assert settled([early], noise) == []


def test_nothing_changes_without_news() -> None:
    assert settled([record(0, '{"a":1}', '{"a":2}')]) == []


def test_a_clock_gap_still_holds_at_the_end() -> None:
    noise = NoiseProfile()
    now = [f'{{"at":"2026-11-22T10:00:0{n}Z"}}' for n in (1, 2)]
    learn(ENDPOINT, answer(now[0]), answer(now[1]), noise, Policy())
    dates = ("Sat, 21 Nov 2026 10:00:01 GMT", "Sun, 22 Nov 2026 10:00:01 GMT")
    bodies = ('{"at":"2026-11-21T10:00:01Z"}', now[0])
    sides = [
        Answer(response=Response(status=200, headers=(*JSON, ("Date", date)), body=body.encode()))
        for date, body in zip(dates, bodies, strict=True)
    ]
    exchange = Exchange(id="0", request=Request(method="GET", target="/x"))
    judgement = judge(exchange, ENDPOINT, sides[0], sides[1], Policy(), noise=noise)
    kept = Record.of(exchange, judgement, seq=0, endpoint=ENDPOINT, masker=Masker())
    assert [each.verdict for each in kept.divergences] == ["noise"]
    raw = {0: Raw(divergences=judgement.divergences, clock_gap_s=judgement.clock_gap_s)}
    assert list(settle([kept], raw, {}, noise, Policy())) == []


def test_a_class_found_late_can_be_accepted() -> None:
    by = Responsibility(name="accept:x", reason="r", owner="o", expires=date(2027, 1, 1))
    policy = Policy(accept=(AcceptRule(by=by, class_id="enum-int-vs-name", verdict="go-is-wrong"),))
    records = [
        record(seq, f'{{"v":{go}}}', f'{{"v":"{rust}"}}')
        for seq, (go, rust) in enumerate([(0, "Open"), (1, "Closed")])
    ]
    corpus = Corpus()
    for each in records:
        corpus.add(each.divergences[0])
    changes = [
        revision.changes[0] for revision in settle(records, {}, corpus.classes(), None, policy)
    ]
    assert [(c.verdict, c.rule, c.wrong_side) for c in changes] == [
        ("accepted", "accept:x", "baseline")
    ] * 2


def test_a_path_that_was_cut_is_settled_without_its_rules() -> None:
    key = "k" * 1_200
    tokens = [f'{{"{key}":"{n}f8e7d6c5b4a3021"}}' for n in (1, 2)]
    early = record(0, tokens[0], tokens[1])
    classes = {early.divergences[0].signature: CLASSES["enum-int-vs-name"]}
    (revision,) = settle([early], {}, classes, None, Policy())
    assert revision.changes[0].class_id == "enum-int-vs-name"


def test_a_body_cut_short_is_not_settled_as_equal() -> None:
    noise = NoiseProfile()
    first, second = (f'{{"at":"2026-11-22T10:00:0{n}Z"}}' for n in (1, 2))
    early = record(0, first, second)
    learn(ENDPOINT, answer(first), answer(second), noise, Policy())
    raw = {0: Raw(divergences=early.divergences, cut=True)}
    assert list(settle([early], raw, {}, noise, Policy())) == []


def test_a_flood_of_missing_items_stays_divergent_at_the_end() -> None:
    full, shorter = ('{"items":[%s]}' % ",".join(f'{{"n":{n}}}' for n in range(k)) for k in (3, 2))  # noqa: UP031 - braces of JSON
    noise = NoiseProfile()
    learn(ENDPOINT, answer(full), answer(shorter), noise, Policy())
    empty = record(0, full, '{"items":[]}', noise)
    assert empty.outcome == "divergent"
    assert settled([empty], noise) == []
    one_gone = record(1, full, shorter, noise)
    assert one_gone.outcome == "equivalent"
    assert settled([one_gone], noise) == []


def test_what_two_processes_remember_is_what_one_would(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(id="x", request=Request(method="GET", target="/x"))
    pairs = [("0", '"Open"'), ("1", '"Closed"'), ("0", '"Open"'), ("1", '"Closed"')]
    whole, parts = Memory(), (Memory(), Memory())
    for seq, (go, rust) in enumerate(pairs):
        sides = answer(f'{{"v":{go},"token":1}}'), answer(f'{{"v":{rust},"token":2}}')
        judgement = judge(exchange, ENDPOINT, *sides, Policy())
        masked = Record.of(exchange, judgement, seq=seq, endpoint=ENDPOINT, masker=Masker())
        whole.remember(masked, judgement)
        parts[seq % 2].remember(masked, judgement)
    parts[0].merge(parts[1])
    assert parts[0].raw == whole.raw
    assert set(whole.raw) == {0, 1, 2, 3}
    found = {signature: cls.id for signature, cls in whole.corpus.classes().items()}
    assert set(found.values()) == {"enum-int-vs-name"}
    merged = parts[0].corpus.classes()
    assert {signature: cls.id for signature, cls in merged.items()} == found
    monkeypatch.setattr("shadow.settle.RAW_BYTES", 1)
    bounded = Memory()
    bounded.merge(whole)
    assert not bounded.raw


def test_what_an_earlier_process_found_counts_for_the_corpus_but_masked_values_do_not() -> None:
    memory = Memory()
    for seq, (go, rust) in enumerate([("0", '"Open"'), ("1", '"Closed"'), ("0", '"Open"')]):
        memory.recall(record(seq, f'{{"v":{go}}}', f'{{"v":{rust}}}'))
        memory.recall(record(seq, f'{{"token":{go}}}', f'{{"token":{rust}}}'))
    assert [cls.id for cls in memory.corpus.classes().values()] == ["enum-int-vs-name"]


def test_nothing_is_remembered_that_the_record_tells() -> None:
    exchange = Exchange(id="x", request=Request(method="GET", target="/x"))
    memory = Memory()
    for seq, (go, rust) in enumerate([('{"v":1}', '{"v":2}'), ('{"token":1}', '{"token":2}')]):
        judgement = judge(exchange, ENDPOINT, answer(go), answer(rust), Policy())
        masked = Record.of(exchange, judgement, seq=seq, endpoint=ENDPOINT, masker=Masker())
        memory.remember(masked, judgement)
    assert set(memory.raw) == {1}
