"""`shadow repro`: from a finding to the requests that show it."""

from __future__ import annotations

import json
import re
import stat
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import CAPTURE, CONFIG, RUST_CAPTURE, Shadow

DIFF = ["diff", CAPTURE, RUST_CAPTURE, "--config", CONFIG, "--limit", "500", "--quiet"]


@pytest.fixture
def findings(shadow: Shadow) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shadow(*DIFF, "--json").json["findings"]
    return found


def quote(findings: list[dict[str, Any]]) -> dict[str, Any]:
    """A finding whose requests have a body."""
    return next(
        each
        for each in findings
        if each["endpoint"] == "POST /v1/quote" and each["verdict"] == "divergent"
    )


def test_both_sides_for_each_example(shadow: Shadow, findings: list[dict[str, Any]]) -> None:
    finding = findings[0]
    done = shadow("repro", finding["signature"][:8])
    assert (done.code, done.err) == (0, "")
    lines = [line for line in done.out.splitlines() if line.startswith("curl ")]
    assert len(lines) == 2 * len(finding["examples"])
    assert '"$GO_URL"' in lines[0]
    assert '"$RUST_URL"' in lines[1]
    done = shadow("repro", finding["signature"], "--go", "http://a:1", "--rust", "http://b:2/p")
    lines = [line for line in done.out.splitlines() if line.startswith("curl ")]
    assert f"http://a:1{finding['examples'][0]['target']}" in lines[0].replace("'", "")
    assert f"http://b:2/p{finding['examples'][0]['target']}" in lines[1].replace("'", "")


def test_the_capture_has_what_the_store_has_not(
    shadow: Shadow, tmp_path: Path, findings: list[dict[str, Any]]
) -> None:
    signature = quote(findings)["signature"]
    masked = shadow("repro", signature)
    assert "--capture FILE adds its headers and its body" in masked.out
    assert "Bearer" not in masked.out
    done = shadow("repro", signature, "--capture", CAPTURE, "--http", "all.http")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"--header 'Authorization: Bearer u-\d+\.", done.out)
    assert "--data-raw '{" in done.out
    text = (tmp_path / "all.http").read_text("utf-8")
    assert len(re.findall(r"^POST \{\{GO_URL\}\}/v1/quote", text, re.MULTILINE)) == len(
        quote(findings)["examples"]
    )
    assert stat.S_IMODE((tmp_path / "all.http").stat().st_mode) == 0o600


def test_a_body_that_is_no_text_is_written_beside(shadow: Shadow, tmp_path: Path) -> None:
    body = bytes(range(256))
    asked = {"method": "POST", "target": "/upload", "body_base64": b64encode(body).decode()}
    for name, status in (("go", 200), ("rust", 500)):
        line = {"v": 1, "id": "x1", "request": asked, "response": {"status": status}}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
    found = shadow("diff", "go.jsonl", "rust.jsonl", "--json", "--quiet").json["findings"]
    done = shadow("repro", found[0]["signature"], "--capture", "go.jsonl")
    assert done.code == 0, done.err
    name = f"shadow-{found[0]['signature']}-1.body"
    assert f"--data-binary @{name}" in done.out
    assert (tmp_path / name).read_bytes() == body


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ffffffffffff"], "has no finding ffffffffffff"),
        ([""], "has no finding"),
        (["SIGNATURE", "--capture", "missing.jsonl"], "missing.jsonl"),
        (["SIGNATURE", "--capture", "empty.jsonl"], "empty.jsonl: no exchange x"),
        (["SIGNATURE", "--http", "no/such/folder.http"], "cannot write no/such/folder.http"),
        (["SIGNATURE", "--run", "nothing"], "no run nothing"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    shadow: Shadow, tmp_path: Path, findings: list[dict[str, Any]], words: list[str], message: str
) -> None:
    (tmp_path / "empty.jsonl").write_text(
        '{"v":1,"id":"other","request":{"method":"GET","target":"/"}}\n'
    )
    given = [findings[0]["signature"] if word == "SIGNATURE" else word for word in words]
    done = shadow("repro", *given)
    assert done.code in {2, 4}
    assert done.out == ""
    assert message in done.err.splitlines()[0]
    assert done.err.splitlines()[1].startswith("  hint: ")


def test_withheld_requests_are_not_repeated(shadow: Shadow) -> None:
    done = shadow(*DIFF, "--json", "--no-values")
    finding = quote(done.json["findings"])
    assert {each["target"] for each in finding["examples"]} == {"[withheld]"}
