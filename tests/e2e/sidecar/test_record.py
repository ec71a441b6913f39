"""What passes through `shadow record` can be replayed, and no secret of it is on the disk."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.cli.program import CONFIG, add_up
from tests.e2e.sidecar.load import Load, at_once, failures, request
from tests.e2e.sidecar.running import Service, Shadow, eventually
from tests.e2e.sidecar.traffic import messages, recorded

pytestmark = pytest.mark.e2e

ASKED = 300
SECRETS = ("s3cr3t-in-a-cookie", "s3cr3t-of-basic", "s3cr3t-in-a-query", "s3cr3t-in-a-body")
BASIC = base64.b64encode(f"ann:{SECRETS[1]}".encode()).decode()
PLANTED = [
    request("/v1/items/itm-00001", f"Cookie: theme=dark; sid={SECRETS[0]}"),
    request("/v1/items/itm-00002", f"Authorization: Basic {BASIC}"),
    request(f"/v1/items?api_key={SECRETS[2]}"),
    request("/v1/login", method="POST", body=json.dumps({"user": "u-1", "password": SECRETS[3]})),
    request("/v1/quote", method="POST", body=json.dumps({"token": SECRETS[3], "lines": []})),
]
"""Requests with a secret each; the last two are refused."""


def passwords() -> list[str]:
    """Of the recorded users, and their tokens."""
    found = set()
    for each in recorded()[:ASKED]:
        sent = each["request"]
        if sent["target"] == "/v1/login" and "password" in sent.get("body", ""):
            found.add(json.loads(sent["body"])["password"])
        fields = {name.lower(): text for name, text in sent["headers"]}
        if "authorization" in fields:
            found.add(fields["authorization"].removeprefix("Bearer "))
    return sorted(found)


def everything(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_recorded_traffic_replays_and_holds_no_secret(
    shadow: Shadow, go: Service, second: Service, rust: Service
) -> None:
    captures = shadow.folder / "captures"
    captures.mkdir()
    words = ("--upstream", go.url, "--out", captures / "traffic.jsonl", "--rotate-bytes", "100KiB")
    with shadow.sidecar("record", *words, "--config", CONFIG) as recorder:
        asked = messages(recorded()[:ASKED])
        with Load(recorder.port, asked, rate=400) as load:
            load.answers(ASKED)
        planted = at_once(recorder.port, PLANTED, clients=1, each=len(PLANTED))
        assert [each.status for each in planted] == [200, 200, 200, 401, 401]
        assert not failures(each for each in load.all if not each.status)
        total = len(load.all) + len(planted)
        eventually(lambda: recorder.metrics().of("shadow_recorded_total") == total)
    files = sorted(captures.iterdir())
    assert len(files) > 1
    written = everything(shadow.folder)
    for secret in (*SECRETS, BASIC, *passwords()):
        assert secret.encode() not in written
    assert written.count(b'"response"') == total

    services = ("--go", go.url, "--rust", rust.url, "--secondary", second.url)
    replayed = shadow("replay", *files, "--json", "--quiet", "--config", CONFIG, *services)
    summary = replayed.json
    assert summary["read"] == total
    assert summary["broken"] == 0
    assert add_up(summary)
    assert summary["incomparable"] == 0
    assert summary["divergent"] > 0
