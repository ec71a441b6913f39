"""Planted secrets, which differ between the services, are in nothing that whole runs leave behind.

Every file, page and output is searched, in every spelling that a secret may have there. A marker
that is no secret is planted beside them: where the search finds it, it would find a secret too.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
import zstandard

from tests.cli.program import Shadow
from tests.cli.sidecars import ANY, TOKEN, Asked, Process, Sidecars, serving

NEEDLE: Final = "c4n4ry"
MARKER: Final = "m4rk3r"
CARD: Final = {"go": "4111 1111 1111 1111", "rust": "5555-5555-5555-4444"}
AWS: Final = {"go": "AKIAC4N4RYAAAAAAAAGO", "rust": "AKIAC4N4RYAAAAAARUST"}
CONFIG: Final = """
[redact]
headers = ["X-Customer"]
query = ["who"]
json = ["$.customer.phone", "birthday"]
detect = ["email"]

[[redact.rules]]
pattern = "order-[0-9a-z]+"
action = "mask"
"""
HEADERS: Final = {
    "Authorization": f"Bearer {NEEDLE}-bearer",
    "Cookie": f"sid={NEEDLE}sid; theme={NEEDLE}",
    "X-Customer": f"{NEEDLE}-customer",
    "X-Api-Key": f"{NEEDLE}-api-key",
}
TARGET: Final = (
    f"/v1/items/order-{NEEDLE}?token={NEEDLE}-q&who={NEEDLE}-who&mail={NEEDLE}%40example.com"
    f"&next=%2Fa%3Ftoken%3D{NEEDLE}&q=%7B%22secret%22%3A%22{NEEDLE}%22%7D&pins[0][password]={NEEDLE}"
)


def said_by(side: str) -> dict[str, Any]:
    """What a service answers: secrets by name, by look and by rule, and the marker."""
    jwt = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "none"}, {"sub": f"{NEEDLE}-{side}"})
    )
    return {
        "password": f"{NEEDLE}-password-{side}",
        "nested": {"access_token": [f"{NEEDLE}-token-{side}"]},
        "customer": {"phone": f"{NEEDLE}-phone-{side}"},
        "birthday": f"{NEEDLE}-birthday-{side}",
        "jwt in prose": f"use {jwt} now",
        "bearer": f"Bearer {NEEDLE}-1-{side}",
        "note": f"card {CARD[side]} key {AWS[side]} ghp_{NEEDLE}{side}{'a1' * 16}",
        "mail": f"{NEEDLE}.{side}@example.com",
        "text": f"your order-{NEEDLE}{side} is on its way",
        "link": f"https://{NEEDLE}{side}:{NEEDLE}@example.com/?api_key={NEEDLE}-{side}",
        f"{NEEDLE}.{side}@example.com": f"{NEEDLE} as a key",
        "inner": json.dumps({"secret": f"{NEEDLE}-inner-{side}"}),
        "log": f'no: password="{NEEDLE}-{side}"',
        "next": f"/a?next=%2Fb%3Faccess_token%3D{NEEDLE}-{side}",
        "php": f"http://u:p@{NEEDLE}{side}@host/",
        "plain": f"{MARKER}-{side}",
    }


def service(side: str) -> Any:
    body = json.dumps(said_by(side))
    body = body.replace(f"{NEEDLE} as a key", MARKER)

    def say(_: Asked) -> tuple[int, bytes]:
        return 200, body.encode()

    return serving(say)


def capture(path: Path, side: str) -> Path:
    answer = {
        key: MARKER if key.startswith(NEEDLE) else value for key, value in said_by(side).items()
    }
    line = {
        "id": "a",
        "session": "u-17",
        "request": {"method": "GET", "target": TARGET, "headers": list(HEADERS.items())},
        "response": {
            "status": 200,
            "headers": [
                ["Content-Type", "application/json"],
                ["Set-Cookie", f"sid={NEEDLE}-set-{side}; Path=/"],
                ["Location", f"/next?token={NEEDLE}-{side}"],
                ["X-Customer", f"{NEEDLE}-customer-{side}"],
                ["X-User", f'{{"password":"{NEEDLE}-{side}"}}'],
                ["X-Forwarded-Authorization", f"Basic {NEEDLE}{side}"],
            ],
            "body": json.dumps(answer),
        },
    }
    broken = f'{{"id":"b","request":"{NEEDLE}"}}'
    path.write_text(json.dumps(line) + "\n" + broken + "\n")
    return path


def spellings(text: str) -> list[bytes]:
    """Every form in which a text may stand in a file."""
    data = text.encode()
    coded = [base64.b64encode(b"x" * skip + data)[2 * skip : -4] for skip in range(3)]
    escaped = "".join(f"\\u{ord(character):04x}" for character in text).encode()
    return [data, *coded, escaped, text.encode("utf-16-le"), quote(text, safe="").encode()]


SECRET: Final = [
    spelled
    for text in (NEEDLE, NEEDLE.upper(), *CARD.values(), *AWS.values())
    for spelled in spellings(text)
]


def contents(data: bytes) -> Iterator[bytes]:
    """The data, and what it holds compressed."""
    yield data
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        yield zstandard.ZstdDecompressor().decompressobj().decompress(data)
    for at in range(len(data)):  # streams of zlib inside of a database
        if data[at : at + 2] in (b"\x78\x9c", b"\x78\xda", b"\x78\x01"):
            try:
                yield zlib.decompressobj().decompress(data[at:])
            except zlib.error:
                continue


class Search:
    """Collects artefacts, and looks for secrets in them."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._said: dict[str, bytes] = {}
        self.marked: set[str] = set()

    def add(self, name: str, data: bytes | str) -> None:
        self._said[name] = data.encode() if isinstance(data, str) else data

    def ends(self) -> None:
        """No artefact has a secret in it."""
        files = {
            str(path): path.read_bytes()
            for folder in self._folders
            for path in folder.rglob("*")
            if path.is_file() and path.name != "shadow.toml"
        }
        for name, data in {**self._said, **files}.items():
            for text in contents(data):
                lowered = text.lower()
                for secret in SECRET:
                    assert secret not in text, (name, around(text, secret))
                    assert NEEDLE.encode() not in lowered, (name, around(lowered, NEEDLE.encode()))
                if MARKER.encode() in text:
                    self.marked.add(Path(name).name)


def around(text: bytes, secret: bytes) -> bytes:
    at = text.index(secret)
    return text[max(0, at - 80) : at + 80]


@pytest.fixture
def search(tmp_path: Path, said: Path) -> Search:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "shadow.toml").write_text(CONFIG)
    return Search(tmp_path, said)


def environment(folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "SHADOW_ADMIN_TOKEN": TOKEN,
        "SHADOW_REDACT_KEY": "k" * 32,
    }


REPORTS: Final = ("html", "json", "markdown", "junit", "sarif", "github", "gitlab", "terminal")


def look_at_the_run(shadow: Shadow, search: Search, name: str, folder: Path) -> None:
    """Everything that can be asked of the newest run."""
    given = environment(folder)
    events = [json.loads(line) for line in (folder / f"{name}.events").read_text().splitlines()]
    signatures = {each["signature"] for each in events if each["event"] == "shadow.divergence"}
    assert len(signatures) >= 10
    for words in (
        ["runs", "--json"],
        ["report", "--all"],
        ["report", "--format", "json"],
        ["export", "latest", "--out", f"{name}.export"],
        *(["repro", signature] for signature in sorted(signatures)),
        *(["explain", signature] for signature in sorted(signatures)),
    ):
        done = shadow(*words, **given)
        search.add(f"{name}: {words}", done.out + done.err)


def test_recorded_answers_compared(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, shadow: Shadow, search: Search
) -> None:
    raw = tmp_path_factory.mktemp("raw")
    sides = [capture(raw / f"{side}.jsonl", side) for side in ("go", "rust")]
    reports = [word for form in REPORTS for word in ("--report", f"{form}=diff.{form}")]
    done = shadow(
        "diff", *sides, "--events", "diff.events", "--json", *reports, **environment(tmp_path)
    )
    assert done.code == 1, done.err
    search.add("diff", done.out + done.err)
    look_at_the_run(shadow, search, "diff", tmp_path)
    for words in ((), ("--secrets", "--all")):
        inspected = shadow("inspect", *sides, *words, **environment(tmp_path))
        search.add(f"inspect {words}", inspected.out)
    converted = shadow(
        "convert", sides[0], "--out", "redacted.jsonl.gz", "--redact", **environment(tmp_path)
    )
    assert converted.code == 0
    search.ends()
    assert {
        "diff.events",
        "diff.html",
        "diff.json",
        "shadow.sqlite",
        "diff.export",
        "redacted.jsonl.gz",
    } <= search.marked


def test_a_capture_replayed(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, shadow: Shadow, search: Search
) -> None:
    path = capture(tmp_path_factory.mktemp("raw") / "a.jsonl", "go")
    reports = [word for form in REPORTS for word in ("--report", f"{form}=replay.{form}")]
    with service("go") as go, service("rust") as rust:
        words = [path, "--go", go.url, "--rust", rust.url]
        planned = shadow("replay", *words, "--dry-run", **environment(tmp_path))
        assert planned.code == 0
        search.add("dry run", planned.out)
        done = shadow(
            "replay",
            *words,
            "--noise",
            "twice",
            "--events",
            "replay.events",
            "--json",
            *reports,
            **environment(tmp_path),
        )
        assert done.code == 1, done.err
        search.add("replay", done.out + done.err)
        assert f"{NEEDLE}-bearer" in dict(go.asked[-1].headers)["Authorization"]
        shadow(
            "noise", "learn", path, "--go", go.url, "--out", "noise.json", **environment(tmp_path)
        )
    look_at_the_run(shadow, search, "replay", tmp_path)
    search.ends()
    assert {"replay.events", "replay.html", "shadow.sqlite", "replay.export"} <= search.marked


def ask(process: Process) -> None:
    headers: Any = {name.replace("-", "_"): value for name, value in HEADERS.items()}
    for _ in range(3):
        assert process.ask(TARGET, **headers).status == 200
    assert process.ask(TARGET, "POST", body=b'{"password":"c4n4ry"}', **headers).status == 200


def test_live_traffic(tmp_path: Path, shadow: Shadow, start: Sidecars, search: Search) -> None:
    given = {**environment(tmp_path), "OTEL_TRACES_EXPORTER": "console"}
    with service("go") as go, service("rust") as rust:
        words = ["--listen", ANY, "--status", ANY, "--admin", ANY]
        sides = ["--go", go.url, "--rust", rust.url, "--traces"]
        with start.running(
            tmp_path,
            "proxy",
            *words,
            *sides,
            "--events",
            "proxy.events",
            "--session",
            "cookie:sid",
            environment=given,
        ) as proxy:
            ask(proxy)
            proxy.until(lambda: proxy.metrics()['shadow_exchanges_total{outcome="divergent"}'] == 3)
            status = proxy.port("status and metrics on")
            admin = proxy.port("admin port")
            for page in ("/metrics", "/-/healthz", "/-/readyz"):
                search.add(page, proxy.ask(page, port=status).body)
            for page in ("/-/live", "/-/live/data", "/-/routes"):
                got = proxy.ask(page, port=admin, Authorization=f"Bearer {TOKEN}")
                search.add(f"admin {page}", got.body)
            search.ends()  # also what the store has not taken over from its log
            assert proxy.end() == 0
            assert '"name": "shadow go"' in proxy.out  # the traces
            search.add("proxy", "\n".join(proxy.told) + proxy.out)
        with start.running(
            tmp_path,
            "record",
            *words[:4],
            "--upstream",
            go.url,
            "--out",
            "traffic.jsonl",
            "--session",
            "cookie:sid",
            environment=given,
        ) as record:
            ask(record)
            record.until(lambda: record.metrics()["shadow_recorded_total"] == 4)
            assert record.end() == 0
            search.add("record", "\n".join(record.told))
    look_at_the_run(shadow, search, "proxy", tmp_path)
    search.ends()
    assert {"proxy.events", "shadow.sqlite", "traffic.jsonl"} <= search.marked, sorted(
        search.marked
    )


def test_the_search_finds_what_is_there(tmp_path: Path, search: Search) -> None:
    for number, data in enumerate(
        [
            NEEDLE.encode(),
            b"..." + base64.b64encode(b"token=" + NEEDLE.encode() + b" and more"),
            gzip.compress(NEEDLE.encode()),
            b"SQLite" + zlib.compress(NEEDLE.encode()),
            NEEDLE.encode("utf-16-le"),
            CARD["go"].encode(),
        ]
    ):
        (tmp_path / "home" / "leak").write_bytes(data)
        with pytest.raises(AssertionError):
            search.ends()
        assert number < 6
