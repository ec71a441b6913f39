"""What is wrong is told in two lines: the thing by its name, and what to do."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from shadow.reports import FORMATS
from tests.cli.program import Done, Shadow, exchange, runs, write

GO, RUST = "go.jsonl", "rust.jsonl"
DIFF = f"diff {GO} {RUST}"
NOWHERE = "http://127.0.0.1:9"
REPLAY = f"replay {GO} --rust {NOWHERE}"

pytestmark = pytest.mark.usefixtures("pair")


def refused(done: Done, code: int, message: str, hint: str) -> None:
    assert done.code == code, done.err
    assert done.out == ""
    first, second = done.err.splitlines()
    assert first.startswith("shadow: ")
    assert message in first
    assert second.startswith("  hint: ")
    assert hint in second


def left_behind(folder: Path) -> list[str]:
    return [each.name for each in folder.rglob("*") if each.suffix == ".part"]


COMMAND_LINES = [
    # captures
    (f"diff missing.jsonl {RUST}", "missing.jsonl: no such file", "check the path"),
    (f"diff folder {RUST}", "folder: is a directory", "name the capture files"),
    (f"diff loop {RUST}", "loop: cannot be read: Too many levels", "permissions"),
    (f"diff unknown {RUST}", "unknown: is no capture of a known format", "HAR"),
    (f"diff empty {RUST}", "empty: holds no exchanges", "recorder"),
    (f"diff stump.gz {RUST}", "stump.gz: the gzip data ends in the middle", "copy the file"),
    ("diff - -", "-: holds no exchanges", "recorder"),
    # targets
    (f"{REPLAY} --go 127.0.0.1:80", "--go: no scheme in 127.0.0.1:80", "http://127.0.0.1:80"),
    (f"{REPLAY} --go http://127.0.0.1:99999", "--go: bad port in 127.0.0.1:99999", "65535"),
    (f"{REPLAY} --go http://me:pw@host", "--go: the URL holds a user name", "header"),
    (f"{REPLAY} --go ftp://host", "--go: scheme ftp is not supported", "https://"),
    (f"{REPLAY} --go {NOWHERE}?a=1", "--go: a target has no query", "every request"),
    (f"{REPLAY}", "no baseline service is given", "--go URL"),
    (f"replay {GO} --go recorded", "no candidate service is given", "--rust URL"),
    # the store and the outputs
    (f"{DIFF} --store folder", "store folder: is a directory", "give a file"),
    (f"{DIFF} --store /proc/self/x.sqlite", "store /proc/self/x.sqlite", "--store"),
    (f"{DIFF} --store unknown", "store unknown: no SQLite database", "another one"),
    (f"{DIFF} --store mysql://host/db", "only SQLite files", "give a file"),
    (f"{DIFF} --report pdf=x.pdf", "unknown format pdf", f"known: {', '.join(FORMATS)}"),
    (f"{DIFF} --report json=missing/x.json", "missing is no directory", "mkdir -p"),
    (f"{DIFF} --report json=folder", "json=folder: cannot be written", "another place"),
    (f"{DIFF} --report json=-", "`-` is no file", "stdout"),
    (f"{DIFF} --report json", "is not FORMAT=PATH", "shadow diff --help"),
    (f"{DIFF} --report json={GO}", f"json={GO}: is the capture {GO} too", "another place"),
    (f"{DIFF} --report json=a --report terminal=a", "terminal=a: is --report json= too", "another"),
    (f"{DIFF} --events {RUST}", f"--events {RUST}: is the capture {RUST} too", "another place"),
    (f"{DIFF} --events folder", "cannot write events to folder: Is a directory", "another"),
    (f"{DIFF} --json --events -", "both want stdout", "shadow diff --help"),
    # the command line itself
    ("rpelay", "no command rpelay", "did you mean replay?"),
    ("xyz", "No such command 'xyz'", "try shadow --help"),
    ("noise lern", "No such command 'lern'", "shadow noise --help"),
    (f"{DIFF} --evnts x", "No such option '--evnts'", "shadow diff --help"),
    (f"diff {GO}", "Missing argument 'RUST_CAPTURE'", "shadow diff --help"),
    (f"{DIFF} --limit 0", "'--limit': 0 is not in the range", "shadow diff --help"),
    (f"{DIFF} --sample 2", "'--sample': 2.0 is not in the range", "shadow diff --help"),
    (f"{DIFF} --sample nan", "'--sample': nan is no finite number", "shadow diff --help"),
    (f"races {GO} --max-time inf", "'--max-time': inf is no finite number", "shadow races --help"),
    (f"{DIFF} --fail-on some", "'some' is not one of", "shadow diff --help"),
    (f"{DIFF} --since latest", "--since goes with --fail-on new", "add --fail-on new"),
    (f"{DIFF} --since 2020 --fail-on new", "no run 2020", "shadow runs"),
    (f"{DIFF} --noise-profile x", "cannot read noise profile x", "shadow noise learn"),
    (f"{DIFF} --noise-profile {GO}", f"{GO} is no noise profile", "shadow noise learn"),
    (f"{REPLAY} --go {NOWHERE} --rate 5 --speed 2", "--rate and --speed exclude", "one of them"),
    (f"{REPLAY} --go recorded --secondary {NOWHERE}", "--go recorded has none", "--go URL"),
    (f"{REPLAY} --go recorded --noise twice", "--go recorded has none", "--noise-profile"),
    (f"noise learn {GO} --go recorded --out x", "needs a live service", "--go URL"),
    (f"noise learn {GO} --go {NOWHERE} --out missing/x", "is no directory", "mkdir -p"),
    (f"{DIFF} --phase replay", "no gate replay in shadow.toml", "[gates.replay]"),
    ("gate", "Missing option '--phase'", "shadow gate --help"),
    ("gate --phase replay", "no gate replay in shadow.toml", "[gates.replay]"),
    ("gate --phase replay --config missing", "cannot read config missing", "check --config"),
    ("phase status", "store .shadow/shadow.sqlite: does not exist", "shadow replay"),
    ("phase promot", "No such command 'promot'", "shadow phase --help"),
    ("phase promote --version x", "'x' is not NAME=VERSION", "shadow phase promote --help"),
    ("phase promote --override", "--override needs --reason and --risk", "say why"),
    ("phase demote", "phase demote needs --reason or --incident", "say why"),
    ("noise show missing.json", "cannot read noise profile missing.json", "shadow noise learn"),
]


@pytest.fixture
def odd_files(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "unknown").write_text("hello")
    (tmp_path / "empty").touch()
    whole = gzip.compress(pair[0].read_bytes())
    (tmp_path / "stump.gz").write_bytes(whole[:12])


@pytest.mark.usefixtures("odd_files")
@pytest.mark.parametrize(("words", "message", "hint"), COMMAND_LINES)
def test_a_wrong_command_line(
    shadow: Shadow, tmp_path: Path, words: str, message: str, hint: str
) -> None:
    before = {each: each.read_bytes() for each in tmp_path.glob("*.jsonl")}
    refused(shadow(*words.split()), 2, message, hint)
    assert left_behind(tmp_path) == []
    assert {each: each.read_bytes() for each in before} == before


CONFIGS = [
    ("[targets.baselin]\n", ":1: unknown key targets.baselin", "did you mean baseline?"),
    ("[safety]\n# x\nraeds = []\n", ":3: unknown key safety.raeds", "did you mean reads?"),
    ("report = 1\n", ":1: unknown key report", "known are targets"),
    ("gates = 1\n", ":1: gates: Expected `object`", "config.md"),
    (
        "[gates.a]\nmax_rate = 1\n",
        ":2: unknown key gates.a.max_rate",
        "did you mean max_error_rate?",
    ),
    ("[gates]\na = 1\n", ":2: gates.a: Expected `object`", "config.md"),
    ("webhook = 1\n", ":1: webhook: Expected `object`", "config.md"),
    ("[webhook]\nsecret = 1\n", ":2: webhook.secret: Expected `str | null`", "config.md"),
    ('[webhook]\nsecret = "abc"\n', ":2: webhook.secret stands in the file", "environment"),
    ('[safety]\nreads = "POST /q"\n', ":2: safety.reads: Expected `array`", "config.md"),
    ('[safety]\nreads = [\n"POST /q",\n1]\n', ":2: safety.reads[1]: Expected `str`", "config.md"),
    ('[targets.candidate]\nurl = "${UNSET_X}"\n', ":2: targets.candidate.url needs", "UNSET_X"),
    ("[safety\n", "at line 1", "fix the TOML"),
    ('[endpoints]\ntemplates = ["items"]\n', ":2: endpoint template 'items'", "GET /v1"),
    (
        '[[compare.lists]]\npath = "$.a"\nkey = "id"\n[[compare.lists]]\npath = "$.b"\n',
        ":4: compare.lists $.b: give either key or unordered",
        'key = "id"',
    ),
    (
        '[[compare.classes]]\nid = "html-escap"\npolicy = "fail"\n',
        ":2: unknown class html-escap",
        "did you mean html-escape?",
    ),
    (
        '[[compare.classes]]\nid = "html-escape"\npolicy = "warn"\n',
        ":3: compare.classes[0].policy: Invalid enum value 'warn'",
        "one of fail, allow",
    ),
    (
        '[[compare.tolerances]]\npath = "$.a"\nabsolute = -1\n',
        ":1: compare.tolerances $.a: a tolerance is negative",
        "from 0",
    ),
    (
        '[[compare.tolerances]]\npath = "$.a"\nabsolute = nan\n',
        ":3: compare.tolerances[0].absolute: nan is no finite number",
        "finite one",
    ),
    (
        "[safety]\nmax_latency = inf\n",
        ":2: safety.max_latency: inf is no finite number",
        "finite one",
    ),
    ("[resources]\nidle_s = -1\n", ":2: resources.idle_s: Expected `float` >= 0", "config.md"),
]
RULE = '[[accept]]\nreason = "r"\nowner = "o"\nexpires = 2999-01-01\n'
CONFIGS += [
    (f'{RULE}class = "html-escape"\n[[accept]]\nreason = "r"\nexpires = 2999-01-01\n', *missing)
    for missing in [(":6: accept[1]: owner is missing", "add owner")]
]
CONFIGS += [
    (RULE, ":1: an [[accept]] entry of o has no condition", "add class"),
    (
        RULE.replace('"o"', '" "') + 'kind = "extra"\n',
        ":1: an [[accept]] entry has an empty owner",
        "",
    ),
    (RULE + 'class = "nil-slice-nul"\n', ":5: unknown class nil-slice-nul", "nil-slice-null"),
    (RULE + 'kind = "changed"\n', ":5: unknown kind changed", "value_changed"),
    (RULE + 'signature = "1f92"\n', ":5: 1f92 is no signature", "16 hex digits"),
    (RULE + 'path = "items"\n', ":5: path 'items' does not start with $", "$.items"),
    (RULE.replace("2999-01-01", '"soon"'), ":4: accept[0].expires: Invalid", "config.md"),
]


@pytest.mark.parametrize(("text", "message", "hint"), CONFIGS)
def test_a_wrong_config(shadow: Shadow, tmp_path: Path, text: str, message: str, hint: str) -> None:
    (tmp_path / "my.toml").write_text(text, "utf-8")
    done = shadow("diff", GO, RUST, "--config", "my.toml")
    refused(done, 2, message, hint)
    assert "my.toml" in done.err.splitlines()[0]
    assert not (tmp_path / ".shadow").exists()


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("report nope", "no run nope", "shadow runs"),
        ("report latest --format pdf", "unknown format pdf", f"known are {', '.join(FORMATS)}"),
        ("explain deadbeef", "run latest has no finding deadbeef", "shadow report"),
        ("explain nil-slice-nul", "neither a class nor a signature", "nil-slice-null?"),
        ("explain xyz", "xyz is neither a class nor a signature", "shadow explain"),
        ("accept {} deadbeef", "has no finding deadbeef", "shadow report"),
        ("accept {} '' ", "more than one finding begins with", "shadow report"),
        ("runs --store missing.sqlite", "store missing.sqlite: does not exist", "shadow replay"),
    ],
)
def test_a_run_a_signature_or_a_class_that_is_not_there(
    shadow: Shadow, words: str, message: str, hint: str
) -> None:
    assert shadow(*DIFF.split(), "--quiet").code == 1
    given = words.format("--reason r --owner o --expires 2999-01-01").replace("''", "").split()
    refused(shadow(*given, *([""] if "''" in words else [])), 2, message, hint)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--expires": "2020-01-01"}, "--expires 2020-01-01 is over"),
        ({"--expires": "soon"}, "'soon' does not match"),
        ({"--owner": " "}, "--owner is empty"),
    ],
)
def test_accepting_without_a_day_or_an_owner(
    shadow: Shadow, tmp_path: Path, changed: dict[str, str], message: str
) -> None:
    given = {"--reason": "r", "--owner": "o", "--expires": "2999-01-01", **changed}
    refused(shadow("accept", "1f92", *(w for pair in given.items() for w in pair)), 2, message, "")
    assert not (tmp_path / "shadow.toml").exists()


def test_a_dead_target_is_noticed_before_the_first_request(shadow: Shadow, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as alive:
        url = f"http://127.0.0.1:{alive.getsockname()[1]}"
        done = shadow("replay", GO, "--go", url, "--rust", NOWHERE)
        refused(done, 4, f"rust does not answer at {NOWHERE}", "point --rust at where it listens")
        done = shadow("replay", GO, "--go", NOWHERE, "--rust", url)
        refused(done, 4, f"go does not answer at {NOWHERE}", "point --go at where it listens")
        done = shadow("noise", "learn", GO, "--go", url, "--secondary", NOWHERE, "--out", "n.json")
        refused(done, 4, "secondary does not answer", "point --secondary at where it listens")
        alive.settimeout(1)
        peer, _ = alive.accept()
        with peer:
            assert peer.recv(1) == b""
    assert not (tmp_path / ".shadow").exists()
    assert not (tmp_path / "n.json").exists()


def broken(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join([lines[0], '{"v":1,"id":\n', *lines[1:]]), "utf-8")


def cut(path: Path) -> None:
    write(path, [exchange(number) for number in range(2_000)])
    whole = gzip.compress(path.read_bytes())
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(("spoil", "line"), [(broken, f"{GO}:2: "), (cut, "the gzip data ends")])
def test_a_broken_line_is_told_and_counted(
    shadow: Shadow, tmp_path: Path, spoil: Callable[[Path], None], line: str
) -> None:
    spoil(tmp_path / GO)
    done = shadow(*DIFF.split(), "--quiet", "--json")
    assert done.err.startswith(f"shadow: broken line: {GO}:")
    assert line in done.err
    assert len(done.err.splitlines()) == 1
    assert done.json["broken"] == 1
    assert done.json["read"] > 0
    done = shadow(*DIFF.split(), "--quiet", "--strict")
    refused(done, 2, line, "without --strict")
    strict = runs(shadow)[0]
    assert (strict["state"], strict["exit_code"]) == ("failed", 2)


def test_many_broken_lines_are_told_in_few(shadow: Shadow, tmp_path: Path) -> None:
    with (tmp_path / GO).open("a") as capture:
        capture.write("{\n" * 500)
    done = shadow(*DIFF.split(), "--quiet", "--json")
    assert done.json["broken"] == 500
    assert len(done.err.splitlines()) == 6


def test_captures_that_have_nothing_in_common(shadow: Shadow, tmp_path: Path) -> None:
    write(tmp_path / RUST, [exchange(number) for number in (7, 8)])
    done = shadow(*DIFF.split())
    assert done.code == 3
    assert "INCONCLUSIVE" in done.err
    assert "read 5 = match 0 + equivalent 0 + divergent 0 + incomparable 5" in done.err
    assert "unpaired 5" in done.err


def test_an_expired_rule_fails_the_run_and_says_whose_it_is(shadow: Shadow, tmp_path: Path) -> None:
    rule = RULE.replace("2999", "2020").replace('"o"', '"team-a"') + 'class = "html-escape"\n'
    (tmp_path / "shadow.toml").write_text(rule)
    done = shadow("diff", GO, GO)
    assert done.code == 1
    assert "accept:html-escape expired on 2020-01-01" in done.err
    assert "team-a" in done.err
    assert shadow("diff", GO, GO, "--fail-on", "never", "--quiet").code == 0


def test_a_path_that_is_no_text_is_no_reason_to_fail(shadow: Shadow, tmp_path: Path) -> None:
    odd = tmp_path / "caf\udce9.jsonl"
    (tmp_path / GO).rename(odd)
    assert shadow("diff", odd.name, RUST, "--quiet").code == 1
    assert "jsonl" in shadow("runs").out
    refused(shadow("diff", "b\udce9d.jsonl", RUST), 2, "no such file", "check the path")


def test_a_bug_is_told_in_two_lines_and_never_reads_as_a_divergence(
    fresh: Shadow, shadow: Shadow, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import shadow.settle\n"
        "def places_to_settle(*_): raise LookupError('oops')\n"
        "shadow.settle.places_to_settle = places_to_settle\n"
    )
    done = fresh(*DIFF.split(), "--quiet", PYTHONPATH=str(tmp_path))
    refused(done, 4, "a bug in shadow: LookupError: oops", "please report it, with: sitecustomize")
    (run,) = runs(shadow)
    assert (run["state"], run["exit_code"], run["read"]) == ("failed", 4, 3)
