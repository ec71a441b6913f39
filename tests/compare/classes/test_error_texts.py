from __future__ import annotations

from shadow.compare.classes.error_texts import is_raw_reply, reasons, texts
from shadow.compare.classes.examples import answer, http_error, plain
from shadow.model import Observation
from tests.compare.classes.pairs import pair_of


def test_texts_are_read_from_plain_and_json_errors() -> None:
    def read(observation: Observation) -> tuple[str, ...]:
        return texts(pair_of(observation, answer()).go)

    assert read(http_error(400, "EOF")) == ("EOF",)
    assert set(read(answer(400, '{"code":"e1","errors":[{"message":"no"}]}'))) == {"e1", "no"}
    assert read(answer(400, '{"error":')) == ('{"error":',)
    assert read(plain(200, "EOF")) == ()
    assert read(plain(400, "x" * 10_001)) == ()
    assert list(reasons("a: b: c")) == ["a: b: c", "b: c", "c"]


def test_a_raw_reply_closes_and_says_no_more() -> None:
    def raw(observation: Observation) -> bool:
        return is_raw_reply(pair_of(observation, answer()).go)

    assert raw(plain(400, "400 Bad Request", Connection="close"))
    assert raw(plain(505, "505 HTTP Version Not Supported", Connection="Close"))
    assert not raw(plain(400, "400 Bad Request"))
    assert not raw(plain(400, "400 Bad Requests", Connection="close"))
    assert not raw(plain(404, "400 Bad Request", Connection="close"))
