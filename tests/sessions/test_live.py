"""Sessions against two services that make up their own ids and tokens, each in its own way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.judge import Policy, judge
from shadow.model import Answer, Exchange, Judgement, NoAnswer, Outcome, Request, Response
from shadow.sessions.live import Correlator, Lacking
from shadow.sessions.places import parse_place
from shadow.sessions.rules import Rule, Rules, Sink, Source

LOGIN, CREATE, READ = "POST /login", "POST /things", "GET /things/{id}"
RULES = Rules(
    [
        Rule(
            "token",
            Source(LOGIN, parse_place("$.token")),
            (Sink("*", parse_place("header:authorization")),),
        ),
        Rule(
            "id",
            Source(CREATE, parse_place("$.id")),
            (Sink(READ, parse_place("path:2")), Sink(CREATE, parse_place("$.parent"))),
        ),
    ]
)


class Service:
    """Makes ids of its own, and knows only those."""

    def __init__(self, name: str, *, reuses: bool = False) -> None:
        self.name = name
        self.reuses = reuses
        self.made = 0
        self.tokens: set[str] = set()
        self.things: dict[str, str | None] = {}

    def new(self) -> str:
        self.made += 1
        return hashlib.sha256(f"{self.name} {self.made}".encode()).hexdigest()[:16]

    def answer(self, request: Request) -> Response:
        if request.target == "/login":
            token = self.new()
            self.tokens.add(token)
            return shown(200, {"token": token})
        headers = dict(request.headers)
        if headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return shown(401, {})
        if request.method == "POST":
            parent = json.loads(request.body).get("parent")
            if parent is not None and parent not in self.things:
                return shown(404, {"error": "no such parent"})
            last = next(reversed(self.things), None)
            thing = last if self.reuses and last is not None else self.new()
            self.things[thing] = parent
            return shown(201, {"id": thing, "parent": parent, "self": f"/things/{thing}"})
        thing = request.target.rpartition("/")[2]
        if thing not in self.things:
            return shown(404, {"error": "no such thing"})
        return shown(200, {"id": thing, "parent": self.things[thing]})


def shown(status: int, body: object) -> Response:
    return Response(status=status, body=json.dumps(body).encode())


def pair_of(answers: list[Answer]) -> tuple[Answer, Answer]:
    mine, other = answers
    return mine, other


def recorded(steps: list[int | None]) -> Iterator[tuple[str, Exchange]]:
    """A session against a third service: login, then creations (with a parent) and reads.

    A step below 0 reads the thing made last but so many, another one makes a child of it.
    """
    service, things = Service("recorded"), list[str]()
    token = ""

    def exchange(number: int, request: Request) -> Exchange:
        response = service.answer(request)
        return Exchange(id=str(number), session="s", request=request, response=response)

    login = exchange(0, Request(method="POST", target="/login"))
    assert login.response is not None
    token = json.loads(login.response.body)["token"]
    yield LOGIN, login
    for number, step in enumerate(steps, 1):
        headers = (("Authorization", f"Bearer {token}"),)
        if step is not None and step < 0 and things:
            target = f"/things/{things[step % len(things)]}"
            yield READ, exchange(number, Request(method="GET", target=target, headers=headers))
            continue
        parent = things[step % len(things)] if step is not None and things else None
        body = json.dumps({"parent": parent}).encode()
        made = exchange(
            number, Request(method="POST", target="/things", headers=headers, body=body)
        )
        assert made.response is not None
        things.append(json.loads(made.response.body)["id"])
        yield CREATE, made


def replayed(
    steps: list[int | None], baseline: Service, candidate: Service, correlator: Correlator
) -> Iterator[tuple[Judgement, Answer, Answer]]:
    for endpoint, exchange in recorded(steps):
        prepared = correlator.prepare(exchange, endpoint)
        assert prepared.lacking is None
        mine, other = (
            Answer(response=service.answer(request))
            for service, request in zip((baseline, candidate), prepared.requests, strict=True)
        )
        mapping = correlator.observed(exchange, endpoint, (mine, other))
        judgement = judge(exchange, endpoint, mine, other, Policy(), mapping=mapping)
        yield judgement, mine, other


steps = st.lists(st.one_of(st.none(), st.integers(-3, 3)), max_size=12)


@given(steps)
@settings(max_examples=60)
def test_each_side_is_sent_its_own_and_the_ids_are_equal_through_the_mapping(
    steps: list[int | None],
) -> None:
    for judgement, mine, other in replayed(
        steps, Service("go"), Service("rust"), Correlator(RULES)
    ):
        assert mine.response.status < 400
        assert other.response.status < 400
        assert not judgement.hollow
        assert judgement.outcome == Outcome.EQUIVALENT
        assert {each.rule for each in judgement.divergences} <= {"correlate:id", "correlate:token"}


@given(steps)
@settings(max_examples=30)
def test_without_rules_both_sides_refuse_alike_and_every_match_is_hollow(
    steps: list[int | None],
) -> None:
    _, *rest = replayed(steps, Service("go"), Service("rust"), Correlator(Rules([])))
    for judgement, _, _ in rest:
        assert judgement.outcome == Outcome.MATCH
        assert judgement.hollow == "expired-token"


def test_two_things_that_share_an_id_break_the_mapping() -> None:
    baseline, candidate = Service("go"), Service("rust", reuses=True)
    _, first, second = replayed([None, None], baseline, candidate, Correlator(RULES))
    assert first[0].outcome == Outcome.EQUIVALENT
    broken = {(each.path, each.kind, each.verdict) for each in second[0].divergences}
    assert ("$['id']", "mapping_broken", "divergent") in broken


def test_a_broken_mapping_shows_where_both_sides_say_the_same() -> None:
    """The second thing has on the candidate's side the id of the first, and it is shown as such."""
    correlator = Correlator(RULES)
    mine, other = "a" * 15 + "1", "b" * 15 + "2"
    answers = [(mine, other), (other, other)]
    judged = []
    for number, pair in enumerate(answers):
        exchange = Exchange(id=str(number), session="s", request=Request(method="POST", target="/"))
        observed = [Answer(response=shown(201, {"id": each})) for each in pair]
        mapping = correlator.observed(exchange, CREATE, observed)
        judged.append(judge(exchange, CREATE, *pair_of(observed), Policy(), mapping=mapping))
    first, second = judged
    assert first.outcome == Outcome.EQUIVALENT
    assert second.outcome == Outcome.DIVERGENT
    assert [(each.path, each.kind) for each in second.divergences] == [
        ("$['id']", "mapping_broken")
    ]


def test_garbage_does_not_stand_for_a_token() -> None:
    exchange = Exchange(id="1", session="s", request=Request(method="POST", target="/login"))
    answers = [Answer(response=shown(200, {"token": each})) for each in ("4f" * 16, "Token { .. }")]
    mapping = Correlator(RULES).observed(exchange, LOGIN, answers)
    judgement = judge(exchange, LOGIN, *pair_of(answers), Policy(), mapping=mapping)
    assert judgement.outcome == Outcome.DIVERGENT


def test_serial_numbers_are_mapped_under_their_own_name_only() -> None:
    correlator = Correlator(RULES)
    exchange = Exchange(id="1", session="s", request=Request(method="POST", target="/things"))
    answers = [Answer(response=shown(201, {"id": each, "count": each})) for each in (5, 7)]
    mapping = correlator.observed(exchange, CREATE, answers)
    judgement = judge(exchange, CREATE, *pair_of(answers), Policy(), mapping=mapping)
    assert {each.path: each.verdict for each in judgement.divergences} == {
        "$['id']": "equivalent",
        "$['count']": "divergent",
    }


def test_members_that_are_called_by_ids_are_matched() -> None:
    correlator = Correlator(RULES)
    mine, other = "a1" * 8, "b2" * 8
    made = Exchange(id="1", session="s", request=Request(method="POST", target="/things"))
    created = [Answer(response=shown(201, {"id": each})) for each in (mine, other)]
    correlator.observed(made, CREATE, created)
    read = Exchange(id="2", session="s", request=Request(method="GET", target="/all"))
    for name, expected in (("x", Outcome.EQUIVALENT), ("y", Outcome.DIVERGENT)):
        bodies = ({mine: {"id": mine, "name": "x"}}, {other: {"id": other, "name": name}})
        answers = [Answer(response=shown(200, each)) for each in bodies]
        mapping = correlator.observed(read, "GET /all", answers)
        judged = judge(read, "GET /all", *pair_of(answers), Policy(), mapping=mapping)
        assert judged.outcome == expected


def after_creating(mine: str, other: str) -> Correlator:
    correlator = Correlator(RULES)
    made = Exchange(id="1", session="s", request=Request(method="POST", target="/things"))
    created = [Answer(response=shown(201, {"id": each})) for each in (mine, other)]
    correlator.observed(made, CREATE, created)
    return correlator


@pytest.mark.parametrize("length", [100, 10_000])
def test_what_differs_behind_a_long_text_is_not_explained_away(length: int) -> None:
    mine, other, long = "a1" * 8, "b2" * 8, "x y " * (length // 4)
    correlator = after_creating(mine, other)
    members = [shown(200, {i: {"id": i, "t": long, "z": z}}) for i, z in ((mine, 1), (other, 2))]
    texts = [
        Response(
            status=200, headers=(("Content-Type", "text/plain"),), body=f"{i} {long}{z}".encode()
        )
        for i, z in ((mine, 1), (other, 2))
    ]
    read = Exchange(id="2", session="s", request=Request(method="GET", target="/all"))
    for responses in (members, texts):
        answers = [Answer(response=each) for each in responses]
        mapping = correlator.observed(read, "GET /all", answers)
        judged = judge(read, "GET /all", *pair_of(answers), Policy(), mapping=mapping)
        assert judged.outcome == Outcome.DIVERGENT


def lists(*orders: list[str]) -> list[Answer]:
    return [Answer(response=shown(200, {"items": [{"id": e} for e in o]})) for o in orders]


LISTED = Rules(
    [
        Rule(
            "item",
            Source("GET /things", parse_place("$.items[*].id")),
            (Sink(READ, parse_place("path:2")),),
        )
    ]
)


def test_the_order_of_a_list_is_not_explained_away() -> None:
    first, second = "item-000001", "item-000002"
    exchange = Exchange(id="1", session="s", request=Request(method="GET", target="/things"))
    answers = lists([first, second], [second, first])
    mapping = Correlator(LISTED).observed(exchange, "GET /things", answers)
    judgement = judge(exchange, "GET /things", *pair_of(answers), Policy(), mapping=mapping)
    assert judgement.outcome == Outcome.DIVERGENT


def test_a_value_that_a_side_still_shows_elsewhere_in_its_list_means_itself() -> None:
    first, second = "item-000001", "item-000002"
    correlator = Correlator(LISTED)
    seen = lists([first, second])[0].response
    listing = Exchange(
        id="1", session="s", request=Request(method="GET", target="/things"), response=seen
    )
    correlator.observed(listing, "GET /things", lists([second, first], [first, second]))
    read = Exchange(id="2", session="s", request=Request(method="GET", target=f"/things/{first}"))
    assert {each.target for each in correlator.prepare(read, READ).requests} == {f"/things/{first}"}


@pytest.mark.parametrize("lost", ["baseline", "candidate"])
def test_a_value_that_a_side_did_not_give_is_named_and_not_sent(lost: str) -> None:
    correlator = Correlator(RULES)
    (_, login), (_, create) = recorded([None])
    fine, failed = Answer(response=shown(200, {"token": "4f" * 16})), NoAnswer(kind="timeout")
    answers = (failed, fine) if lost == "baseline" else (fine, failed)
    correlator.observed(login, LOGIN, answers)
    lacking = correlator.prepare(create, CREATE).lacking
    assert lacking is not None
    assert (lacking.rule, lacking.why, lacking.made_in) == ("token", "no-value", "0")


def test_what_hangs_on_a_request_that_was_not_sent_is_named() -> None:
    correlator = Correlator(RULES)
    (_, login), (_, create) = recorded([None])
    correlator.unsent(login, LOGIN, "not-sent")
    lacking = correlator.prepare(create, CREATE).lacking
    assert lacking is not None
    assert (lacking.rule, lacking.why) == ("token", "not-sent")


def test_sessions_are_apart_and_what_has_none_is_sent_as_recorded() -> None:
    correlator = Correlator(RULES)
    (_, login), (_, create) = recorded([None])
    answers = [Answer(response=shown(200, {"token": each * 8})) for each in ("a1", "b2")]
    correlator.observed(login, LOGIN, answers)
    for session in ("other", None):
        exchange = Exchange(id="9", session=session, request=create.request)
        assert correlator.prepare(exchange, CREATE).requests == (create.request, create.request)
    mine, other = correlator.prepare(create, CREATE).requests
    assert (mine.headers[0][1], other.headers[0][1]) == ("Bearer " + "a1" * 8, "Bearer " + "b2" * 8)


def test_a_session_that_was_forgotten_is_not_sent_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shadow.sessions.live.SESSIONS", 1)
    correlator = Correlator(RULES)
    (_, login), (_, create) = recorded([None])
    answer = Answer(response=shown(200, {"token": "a" * 16}))
    correlator.observed(login, LOGIN, (answer, answer))
    other = Exchange(id="9", session="other", request=login.request, response=login.response)
    correlator.observed(other, LOGIN, (answer, answer))
    lacking = correlator.prepare(create, CREATE).lacking
    assert lacking is not None
    assert lacking.why == "no-value"


def test_cookies_go_by_the_jar_of_each_side() -> None:
    correlator = Correlator(Rules([]), cookies=True)

    def setting(value: str) -> Response:
        return Response(status=200, headers=(("Set-Cookie", f"sid={value}; Path=/"),))

    login = Exchange(
        id="1", session="s", request=Request(method="POST", target="/"), response=setting("f0" * 8)
    )
    answers = [Answer(response=setting(each * 8)) for each in ("a1", "b2")]
    mapping = correlator.observed(login, LOGIN, answers)
    judgement = judge(login, LOGIN, *pair_of(answers), Policy(), mapping=mapping)
    assert {each.rule for each in judgement.divergences} == {"correlate:cookies"}
    asked = Request(method="GET", target="/x", headers=(("Cookie", "sid=" + "f0" * 8),))
    mine, other = correlator.prepare(Exchange(id="2", session="s", request=asked), READ).requests
    assert (mine.headers[0][1], other.headers[0][1]) == ("sid=" + "a1" * 8, "sid=" + "b2" * 8)


def setting(value: str, name: str = "sid", status: int = 200) -> Response:
    return Response(status=status, headers=(("Set-Cookie", f"{name}={value}; Path=/"),))


def carrying(value: str, name: str = "sid") -> Exchange:
    asked = Request(method="GET", target="/x", headers=(("Cookie", f"{name}={value}"),))
    return Exchange(id="2", session="s", request=asked)


OLD = "f0" * 8


@pytest.mark.parametrize("why", ["not-sent", "no-value"])
def test_a_cookie_of_an_answer_that_is_not_there_is_not_sent_stale(
    why: Literal["not-sent", "no-value"],
) -> None:
    correlator = Correlator(Rules([]), cookies=True)
    request = Request(method="POST", target="/login")
    login = Exchange(id="1", session="s", request=request, response=setting(OLD))
    correlator.unsent(login, LOGIN, why)
    assert correlator.prepare(carrying(OLD), READ).lacking == Lacking("cookies", why, "1")
    assert correlator.prepare(carrying("dark", "theme"), READ).lacking is None


@pytest.mark.parametrize("failed", [NoAnswer(kind="timeout"), Answer(response=shown(500, {}))])
def test_a_cookie_that_one_side_did_not_set_is_not_sent_stale(
    failed: Answer | NoAnswer,
) -> None:
    correlator = Correlator(Rules([]), cookies=True)
    request = Request(method="POST", target="/login")
    login = Exchange(id="1", session="s", request=request, response=setting(OLD))
    correlator.observed(login, LOGIN, (Answer(response=setting("a1" * 8)), failed))
    assert correlator.prepare(carrying(OLD), READ).lacking == Lacking("cookies", "no-value", "1")


def test_a_cookie_that_only_a_balancer_set_is_sent_as_recorded() -> None:
    correlator = Correlator(Rules([]), cookies=True)
    request = Request(method="GET", target="/")
    first = Exchange(id="1", session="s", request=request, response=setting(OLD, "lb"))
    correlator.unsent(first, READ, "not-sent")
    correlator.observed(first, READ, [Answer(response=shown(200, {}))] * 2)
    asked = carrying(OLD, "lb")
    assert correlator.prepare(asked, READ).requests == (asked.request, asked.request)


def test_a_value_of_which_there_were_too_many_is_not_sent_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shadow.sessions.live.MAX_VALUES", 2)
    correlator = Correlator(RULES)
    (_, login), (_, create) = recorded([None])
    for number in range(3):
        token = f"{number}" * 16
        answer = Answer(response=shown(200, {"token": token}))
        request, response = login.request, shown(200, {"token": token})
        again = login if number == 0 else Exchange(id="9", session="s", request=request)
        again = msgspec.structs.replace(again, response=again.response or response)
        correlator.observed(again, LOGIN, (answer, answer))
    assert correlator.prepare(create, CREATE).lacking == Lacking("token", "no-value", "")


def test_a_value_that_a_side_gave_stays_when_its_answer_comes_again_and_is_not_sent() -> None:
    correlator = Correlator(RULES)
    (_, login), (_, create) = recorded([None])
    answers = [Answer(response=shown(200, {"token": each * 8})) for each in ("a1", "b2")]
    correlator.observed(login, LOGIN, answers)
    correlator.unsent(login, LOGIN, "not-sent")
    mine, other = correlator.prepare(create, CREATE).requests
    assert (mine.headers[0][1], other.headers[0][1]) == ("Bearer " + "a1" * 8, "Bearer " + "b2" * 8)


def test_the_serial_numbers_of_two_tables_do_not_break_each_other() -> None:
    other = Rule("customer", Source("POST /customers", parse_place("$.id")), ())
    correlator = Correlator(Rules([*RULES.all, other]))
    for endpoint, candidate in ((CREATE, 11), ("POST /customers", 2), (CREATE, 11)):
        exchange = Exchange(id="1", session="s", request=Request(method="POST", target="/"))
        answers = [Answer(response=shown(201, {"id": each})) for each in (1, candidate)]
        mapping = correlator.observed(exchange, endpoint, answers)
        judgement = judge(exchange, endpoint, *pair_of(answers), Policy(), mapping=mapping)
        assert judgement.outcome == Outcome.EQUIVALENT


def test_a_login_that_is_repeated_may_give_another_token() -> None:
    correlator = Correlator(RULES, cookies=True)
    (_, login), _ = recorded([None])

    def answer(token: str) -> Answer:
        headers = setting(token).headers
        return Answer(
            response=msgspec.structs.replace(shown(200, {"token": token}), headers=headers)
        )

    first, second, again = (answer(each * 8) for each in ("a1", "b2", "c3"))
    mapping = correlator.observed(login, LOGIN, (first, second))
    repeated = correlator.again(login, LOGIN, first, again)
    for candidate, pairs in ((second, mapping), (again, repeated), (second, mapping)):
        judgement = judge(login, LOGIN, first, candidate, Policy(), mapping=pairs)
        assert judgement.outcome == Outcome.EQUIVALENT
    correlator.observed(login, LOGIN, (first, second))
    repeated = correlator.again(login, LOGIN, first, again)
    judgement = judge(login, LOGIN, first, again, Policy(), mapping=repeated)
    assert {each.kind for each in judgement.divergences} == {"mapping_broken"}


@pytest.mark.parametrize("pattern", [None, "^(.*)$"])
def test_half_a_surrogate_pair_is_no_value(pattern: str | None) -> None:
    source = Source(LOGIN, parse_place("$.token"), pattern)
    sinks = tuple(Sink("*", parse_place(each)) for each in ("path:2", "query:t", "$.t"))
    correlator = Correlator(Rules([Rule("token", source, sinks)]))
    (_, login), _ = recorded([None])
    assert login.response is not None
    token = json.loads(login.response.body)["token"]
    broken = Answer(response=Response(status=200, body=b'{"token":"\\ud800"}'))
    correlator.observed(login, LOGIN, (broken, broken))
    asked = Exchange(id="2", session="s", request=Request(method="GET", target=f"/x/{token}"))
    assert correlator.prepare(asked, READ).lacking == Lacking("token", "no-value", "0")


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/x?q=QUJD%2Bw%3D%3D1234", "/x?q=k%2Fk%3D"),
        ("/x?q=QUJD%2Bw==1234", "/x?q=k/k%3D"),
    ],
)
def test_a_value_of_a_url_may_be_escaped_in_another_way(target: str, sent: str) -> None:
    source = Source(READ, parse_place("$.next"), "q=([^&]+)$")
    correlator = Correlator(Rules([Rule("q", source, (Sink("*", parse_place("query:q")),))]))

    def page(value: str) -> Response:
        return shown(200, {"next": f"/x?q={value}"})

    request = Request(method="GET", target="/x")
    first = Exchange(id="1", session="s", request=request, response=page("QUJD%2Bw%3D%3D1234"))
    correlator.observed(first, READ, [Answer(response=page("k%2Fk%3D"))] * 2)
    following = Exchange(id="2", session="s", request=Request(method="GET", target=target))
    assert correlator.prepare(following, READ).requests[1].target == sent


def test_a_serial_number_in_a_location_is_equal_through_its_own_rule() -> None:
    source = Source(CREATE, parse_place("header:location"), "/things/([0-9]+)$")
    correlator = Correlator(Rules([Rule("id", source, ())]))
    exchange = Exchange(id="1", session="s", request=Request(method="POST", target="/things"))

    def made(number: int, other: str = "/things") -> Answer:
        headers = (("Location", f"{other}/{number}"),)
        return Answer(response=Response(status=201, headers=headers))

    mapping = correlator.observed(exchange, CREATE, (made(5), made(7)))
    judgement = judge(exchange, CREATE, made(5), made(7), Policy(), mapping=mapping)
    assert judgement.outcome == Outcome.EQUIVALENT
    judgement = judge(exchange, CREATE, made(5), made(7, "/other"), Policy(), mapping=mapping)
    assert judgement.outcome == Outcome.DIVERGENT


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ("a143bee1", "64571331"),
        ("a143bee1", "6774e971"),
        ("x7Kd02QpLm9z", "aBcdefGhijKl"),
        ("V1StGXR8_Z5jdHi6B-myT", "kVStGXRx_ZbjdHiwB-myT"),
    ],
)
def test_a_random_value_may_look_like_a_number_or_a_word(mine: str, other: str) -> None:
    for pair in ((mine, other), (other, mine)):
        exchange = Exchange(id="1", session="s", request=Request(method="POST", target="/things"))
        bodies = [{"id": each, "self": f"/things/{each}"} for each in pair]
        answers = [Answer(response=shown(201, each)) for each in bodies]
        mapping = Correlator(RULES).observed(exchange, CREATE, answers)
        judgement = judge(exchange, CREATE, *pair_of(answers), Policy(), mapping=mapping)
        assert judgement.outcome == Outcome.EQUIVALENT
