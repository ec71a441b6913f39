"""The recorded catalogue through `shadow proxy`: clients get Go's answers, the store the rest."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from services import trial
from services.run import GO
from tests.cli.program import CAPTURE, RUST_CAPTURE, Exchange, add_up, exchanges, write
from tests.e2e.sidecar.load import Load, failures
from tests.e2e.sidecar.running import PATIENCE_S, Service, Shadow
from tests.e2e.sidecar.traffic import messages, recorded

pytestmark = pytest.mark.e2e

ASKED = 400
NEVER_THE_SAME = {"date", "x-request-id"}
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}
SERVED_AT = re.compile(rb'"served_at":"[^"]+"')


class Answer(NamedTuple):
    """What a client was told, but for what services/README.md calls different from run to run."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@pytest.fixture
def alone() -> Iterator[Service]:
    with Service(GO) as service:
        yield service


def ask(port: int, asked: list[Exchange]) -> list[Answer]:
    """Ask one after the other, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    answers = []
    for each in asked:
        request = each["request"]
        connection.putrequest(
            request["method"], request["target"], skip_host=True, skip_accept_encoding=True
        )
        for name, value in request["headers"]:
            connection.putheader(name, value)
        connection.endheaders(request.get("body", "").encode() or None)
        answers.append(told(connection.getresponse()))
    connection.close()
    return answers


def told(response: http.client.HTTPResponse) -> Answer:
    body, timed = SERVED_AT.subn(b'"served_at":0', response.read())
    left_out = NEVER_THE_SAME | HOP_BY_HOP | ({"content-length"} if timed else set())
    headers = [(name, text) for name, text in response.getheaders() if name.lower() not in left_out]
    if b'"by_category"' in body:  # Go ranges over a map
        content = json.loads(body)
        content["by_category"].sort(key=str)
        body = json.dumps(content).encode()
    return Answer(response.status, headers, body)


def places(summary: Any) -> set[trial.Place]:
    return {trial.place(each) for each in trial.divergent(summary)}


def in_captures(shadow: Shadow, asked: list[Exchange]) -> set[trial.Place]:
    """Where the recorded answers differ, without what differs from run to run."""
    ids = {each["id"] for each in asked}
    captures = [
        write(
            shadow.folder / f"{path.stem}", [each for each in exchanges(path) if each["id"] in ids]
        )
        for path in (CAPTURE, RUST_CAPTURE)
    ]
    words = ("--json", "--quiet", "--config", trial.CONFIG, "--store", "diff.sqlite")
    summary = shadow("diff", *captures, *words).json
    return places(summary) - set(map(trial.place, trial.expected()["volatile"]))


def report(shadow: Shadow) -> Any:
    """The summary of the newest window."""
    return shadow("report", "latest", "--format", "json").json


def test_clients_get_what_go_says_and_the_store_where_rust_differs(
    shadow: Shadow, go: Service, rust: Service, second: Service, alone: Service
) -> None:
    asked = recorded()[:ASKED]
    words = ("--go", go.url, "--rust", rust.url, "--secondary", second.url)
    with shadow.sidecar("proxy", *words, "--config", trial.CONFIG) as proxy:
        answers = ask(proxy.port, asked)
        direct = ask(alone.port, asked)
        for each, answer, expected in zip(asked, answers, direct, strict=True):
            assert answer == expected, each["request"]
        metrics = proxy.settled(ASKED)
        assert report(shadow)["state"] == "running"
    summary = report(shadow)
    assert summary["state"] == "finished"
    assert summary["read"] == ASKED == metrics.of("shadow_exchanges_total")
    assert add_up(summary)
    assert metrics.of("shadow_requests_total", side="baseline") == ASKED
    assert metrics.of("shadow_requests_total", side="candidate") == 0
    assert places(summary) <= set(map(trial.place, trial.expected()["divergent"]))
    assert places(summary) == in_captures(shadow, asked)

    finding = trial.divergent(summary)[0]
    shown = shadow("report", "latest")
    assert finding["signature"] in shown.out
    repro = shadow("repro", finding["signature"])
    assert repro.code == 0
    assert "curl" in repro.out


def test_go_against_go_finds_nothing_and_no_guard_trips(
    shadow: Shadow, go: Service, second: Service, alone: Service
) -> None:
    """At ten times the traffic that `test_guards` needs to find a defect."""
    words = ("--go", go.url, "--rust", alone.url, "--secondary", second.url)
    with shadow.sidecar("proxy", *words, "--config", trial.CONFIG) as proxy:
        with Load(proxy.port, messages(recorded()), rate=500) as load:
            load.answers(2_000)
        metrics = proxy.settled(len(load.all))
        assert proxy.latched() == set()
    assert not failures(each for each in load.all if not each.status)
    assert metrics.of("shadow_rollbacks_total") == 0
    assert metrics.of("shadow_sheds_total") == 0
    summary = report(shadow)
    assert trial.divergent(summary) == []
    assert summary["read"] == len(load.all)
    assert summary["match"] + summary["equivalent"] + summary["skipped"] == summary["read"]
