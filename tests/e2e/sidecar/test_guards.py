"""A defect that comes while traffic flows sends the route back to Go, and everybody is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shadow.sending.webhook import sign
from tests.e2e.sidecar.load import Load, failures
from tests.e2e.sidecar.running import Service, Shadow, Sidecar, eventually, figure
from tests.e2e.sidecar.traffic import ITEM, ITEMS, config, flag
from tests.receiver import Receiver, receiving

pytestmark = pytest.mark.e2e

RATE = 500
SECRET = "whsec-of-the-tests"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def arguments(shadow: Shadow, go: Service, rust: Service, receiver: Receiver) -> list[object]:
    """How a canary is started that has a webhook and an admin port."""
    flags = shadow.folder / "flags.json"
    flag(flags, percent=50)
    webhook = f'[webhook]\nurl = "{receiver.url}/hook"\nsecret = "${{HOOK_SECRET}}"\n'
    return [
        *("--go", go.url, "--rust", rust.url, "--config", config(shadow.folder, webhook)),
        *("--flags", flags, "--admin", "127.0.0.1:0", "--rust-version", "0.2.0"),
    ]


def told_of(receiver: Receiver, count: int) -> dict[str, Any]:
    """The signed messages that came in, by route."""
    eventually(lambda: len(receiver.messages) >= count)
    found = {}
    for each in receiver.messages:
        timestamp = int(each.headers["shadow-timestamp"])
        assert each.headers["shadow-signature"] == sign(SECRET, timestamp, each.body)
        message = json.loads(each.body)
        assert message["event"] == "shadow.rollback"
        found[message["route"]] = message
    assert len(receiver.messages) == len(found) == count
    return found


def rollbacks(shadow: Shadow) -> dict[str, Any]:
    """The events of rollbacks, by route."""
    (path,) = (shadow.folder / ".shadow").glob("*.events.jsonl")
    events = map(json.loads, path.read_text("utf-8").splitlines())
    return {each["route"]: each for each in events if each["event"] == "shadow.rollback"}


def everybody_sees(proxy: Sidecar, shadow: Shadow, receiver: Receiver, guard: str) -> Any:
    """Check that all places say the same of the rollbacks; return the evidence of `*`.

    `*` needs less evidence than a single route, which may be due too by then.
    """
    routes = proxy.latched()
    assert {"*"} <= routes <= {"*", ITEM}
    metrics = proxy.metrics()
    assert metrics.by("shadow_rollbacks_total", "route") == dict.fromkeys(routes, 1)
    assert metrics.of("shadow_rollbacks_total", guard=guard) == len(routes)
    assert metrics.by("shadow_route_weight", "route") == {}
    messages = told_of(receiver, len(routes))
    ledger = shadow("route", "status", "--json").json["changes"]
    live = {each["route"]: each for each in proxy.live()["routes"]}
    over_admin = shadow("route", "status", "--json", "--admin", proxy.admin).json["routes"]
    events = rollbacks(shadow)
    for route in routes:
        (entry,) = [each for each in ledger if each["route"] == route]
        assert (entry["action"], entry["by"]) == ("rollback", f"guard:{guard}")
        assert entry["version"] == "0.2.0"
        evidence = entry["evidence"]
        assert evidence == events[route]["evidence"] == messages[route]["evidence"]
        assert evidence["log_e"] > evidence["threshold_e"] or (
            evidence["log_sr"] > evidence["threshold_sr"]
        )
        assert live[route]["latched"]
        assert live[route]["reason"] == entry["reason"] == events[route]["reason"]
        assert [each["latched"] for each in over_admin if each["route"] == route] == [True]
    return messages["*"]["evidence"]


def test_a_lost_field_is_found_within_a_few_exchanges(
    shadow: Shadow, go: Service, rust: Service, receiver: Receiver
) -> None:
    words = arguments(shadow, go, rust, receiver)
    with (
        shadow.sidecar("proxy", *words, environment={"HOOK_SECRET": SECRET}) as proxy,
        Load(proxy.port, ITEMS, rate=RATE) as load,
    ):
        healthy = len(load.answers(1_000))
        assert proxy.latched() == set()
        with load.paused():
            rust.restart(DEFECTS="lost-field")
            healthy = len(load.all)
        proxy.command.said("rollback: * is served by Go: the candidate diverged in ")
        since = len(load.all) - healthy
        assert {each.side for each in load.from_now(200)} == {"go"}
        load.end()
        assert not failures(load.all)
        evidence = everybody_sees(proxy, shadow, receiver, "divergence")
        figure(
            f"lost-field: {evidence['x']} of {evidence['n']}, {since} requests since it was there"
        )
        assert evidence["n"] - healthy < 100
        # Nothing diverged before the defect was there, and everything since.
        assert evidence["x"] == pytest.approx(evidence["n"] - healthy, abs=5)


def test_one_error_in_a_hundred_is_found_by_who_fails_more(
    shadow: Shadow, go: Service, rust: Service, receiver: Receiver
) -> None:
    words = arguments(shadow, go, rust, receiver)
    with (
        shadow.sidecar("proxy", *words, environment={"HOOK_SECRET": SECRET}) as proxy,
        Load(proxy.port, ITEMS, rate=RATE) as load,
    ):
        load.answers(200)
        with load.paused():
            rust.restart(DEFECTS="errors-1pct")
            healthy = len(load.all)
        proxy.command.said("rollback: * is served by Go: the candidate failed alone in ", within=20)
        since = len(load.all) - healthy
        assert {each.side for each in load.from_now(200)} == {"go"}
        load.end()
        assert not failures(load.all)  # Go answered for it
        evidence = everybody_sees(proxy, shadow, receiver, "errors")
        figure(
            f"errors-1pct: {evidence['x']} of {evidence['n']}, {since} requests since it was there"
        )
        assert evidence["x"] == evidence["n"] < 25
        assert proxy.metrics().of("shadow_fallbacks_total", route=ITEM) > 0
