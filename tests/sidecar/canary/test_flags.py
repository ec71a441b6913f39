from __future__ import annotations

import asyncio
import json
import os
import re
import threading
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature import api
from openfeature.exception import ParseError

from shadow.reports.text import plain
from shadow.sidecar.canary import flagd
from shadow.sidecar.canary import flags as module
from shadow.sidecar.canary.flags import MAX_BYTES, MAX_TOLD, POLL_S, SAFE, FlagFile
from shadow.sidecar.canary.routing import RouteFlags

ROOT = Path(__file__).parents[3]
VALUES: dict[str, tuple[Any, ...]] = {
    "rust-enabled": (True, False),
    "rust-percent": (0, 1, 50.5, 100),
    "shadow-sample": (1, 0.25, 0),
}
ITEM = "GET /v1/items/{id}"


def flag(name: str, value: Any, rule: Any = None, **changes: Any) -> dict[str, Any]:
    """A flag with its usual variants, named by their values, and the one that holds."""
    variants = {json.dumps(each): each for each in (*VALUES[name], value)}
    made = {"state": "ENABLED", "variants": variants, "defaultVariant": json.dumps(value)}
    return made | ({} if rule is None else {"targeting": rule}) | changes


def document(percent: Any = 0, rule: Any = None, **changes: Any) -> dict[str, Any]:
    """A file with `rust-percent`, and with what else is given of it."""
    return {"flags": {"rust-percent": flag("rust-percent", percent, rule)}} | changes


def write(path: Path, content: Any) -> None:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


class Polled(FlagFile):
    """A flag file that says when other flags are in force than before."""

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self.changed = asyncio.Event()
        super().__init__(path, tell=tell)

    def poll(self) -> None:
        before = self.generation
        super().poll()
        if self.generation > before:
            self.changed.set()


class Watched:
    """A flag file with what it told."""

    def __init__(self, path: Path, content: Any = None) -> None:
        self.path = path
        self.told: list[str] = []
        self.spoke = asyncio.Event()
        if content is not None:
            write(path, content)
        self.file = Polled(path, self._tell)

    def _tell(self, line: str) -> None:
        self.told.append(line)
        self.spoke.set()

    def percent(self, route: str = "*") -> float:
        return self.file.current(route).rust_percent

    def put(self, content: Any) -> list[str]:
        """Write it and look; what was told of it."""
        before = len(self.told)
        write(self.path, content)
        self.file.poll()
        return self.told[before:]

    async def after(self, act: Callable[[], object], event: asyncio.Event) -> float:
        """Do something to the file and wait until it is noticed, in seconds."""
        event.clear()
        began = time.monotonic()
        act()
        await asyncio.wait_for(event.wait(), 5)
        return time.monotonic() - began


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flags.json"


# What a file says


def test_flags_that_are_not_there_have_their_defaults(path: Path) -> None:
    watched = Watched(path, {"flags": {}})
    assert watched.file.current("*") == watched.file.current(ITEM) == RouteFlags()
    assert RouteFlags() == RouteFlags(rust_enabled=True, rust_percent=0, shadow_sample=1)
    assert (watched.told, watched.file.error, watched.file.generation) == ([], "", 1)


def test_flags_have_the_values_of_the_file(path: Path) -> None:
    values = {"rust-enabled": False, "rust-percent": 50.5, "shadow-sample": 0.25}
    before = time.time()
    watched = Watched(path, {"flags": {name: flag(name, value) for name, value in values.items()}})
    assert watched.file.current(ITEM) == RouteFlags(
        rust_enabled=False, rust_percent=50.5, shadow_sample=0.25
    )
    assert watched.file.loaded_at is not None
    assert before <= watched.file.loaded_at <= time.time()


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "DISABLED"},
        {"state": "DISABLED", "targeting": {"cat": ["x"]}},
        {"defaultVariant": None},
        {"defaultVariant": ""},
    ],
)
def test_a_flag_that_says_nothing_has_its_default(path: Path, changes: dict[str, Any]) -> None:
    held = {
        name: flag(name, value, **changes)
        for name, value in (("rust-enabled", False), ("rust-percent", 100), ("shadow-sample", 0))
    }
    assert Watched(path, {"flags": held}).file.current(ITEM) == RouteFlags()


def test_a_rule_gives_a_route_what_others_do_not_have(path: Path) -> None:
    rule = {
        "if": [
            {"==": [{"var": "route"}, ITEM]},
            "100",
            {"if": [{"starts_with": [{"var": "path"}, "/v2/"]}, "50.5", None]},
        ]
    }
    put = {"starts_with": [{"var": "targetingKey"}, "PUT "]}
    sample = {"if": [{"or": [put, {"==": [{"var": "method"}, "POST"]}]}, "0", None]}
    held = {"rust-percent": flag("rust-percent", 1, rule)}
    held["shadow-sample"] = flag("shadow-sample", 0.25, sample)
    watched = Watched(path, {"flags": held})
    found = {
        route: (watched.percent(route), watched.file.current(route).shadow_sample)
        for route in ("*", ITEM, "GET /v2/x", "POST /v2/x", "PUT /", "(other)", "")
    }
    assert found == {
        "*": (1, 0.25),
        ITEM: (100, 0.25),
        "GET /v2/x": (50.5, 0.25),
        "POST /v2/x": (50.5, 0),
        "PUT /": (1, 0),
        "(other)": (1, 0.25),
        "": (1, 0.25),
    }
    assert watched.told == []


def test_rules_are_shared_by_reference(path: Path) -> None:
    evaluators = {
        "read": {"and": [{"$ref": "get"}, {"!": {"starts_with": [{"var": "path"}, '/a"\\é']}}]},
        "get": {"==": [{"var": "method"}, "GET"]},
    }
    held = document(0, {"if": [{"$ref": "read"}, "100", None]}) | {"$evaluators": evaluators}
    watched = Watched(path, held)
    routes = (ITEM, "POST /x", 'GET /a"\\é')
    assert [watched.percent(each) for each in routes] == [100, 0, 0]


def test_what_others_keep_in_the_file_is_theirs(path: Path) -> None:
    held = document(50.5)
    held["flags"] |= {"banner": {"state": "odd", "variants": {}}, "x": 7}
    held |= {"$schema": "x", "$evaluators": {"odd": {"log": {"x": []}}}, "metadata": 5}
    held["flags"]["rust-percent"] |= {"description": "x", "metadata": {"owner": "ann"}}
    watched = Watched(path, held)
    assert (watched.percent(), watched.told) == (50.5, [])


def test_a_flag_that_looks_misspelt_is_told(path: Path) -> None:
    watched = Watched(path, {"flags": {"rust_enabled": {}, "rust-percentage": {}, "theme": {}}})
    assert watched.told == [
        f"{path}: flag rust_enabled is not known; is it rust-enabled, misspelt?",
        f"{path}: flag rust-percentage is not known; is it rust-percent, misspelt?",
    ]
    assert (watched.file.error, watched.file.generation) == ("", 1)


def test_a_rule_that_asks_for_the_time_is_asked_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = {"if": [{">=": [{"var": "$flagd.timestamp"}, 2_000]}, "100", None]}
    monkeypatch.setattr(time, "time", lambda: 1_999.0)
    watched = Watched(path, document(0, rule))
    assert watched.percent(ITEM) == 0
    monkeypatch.setattr(time, "time", lambda: 2_000.0)
    watched.file.poll()
    assert (watched.percent(ITEM), watched.file.generation) == (100, 1)


# What a file cannot say


def percent(**changes: Any) -> dict[str, Any]:
    return {"flags": {"rust-percent": flag("rust-percent", 1) | changes}}


def ruled(rule: Any) -> dict[str, Any]:
    return document(1, rule)


def nested(depth: int) -> Any:
    """A rule of so many levels."""
    rule: Any = "1"
    for _ in range(depth):
        rule = [rule]
    return {"cat": rule}


LAUGHS = {f"e{n}": {"and": [{"$ref": f"e{n + 1}"}] * 10} for n in range(15)} | {"e15": True}

BROKEN: list[tuple[Any, str]] = [
    (b"", "line 1: is not JSON: Expecting value"),
    (b'{"flags": {\n\n "rust', "line 3: is not JSON: Unterminated string"),
    (json.dumps(document(50)).encode()[:-1], "line 1: is not JSON: Expecting ',' delimiter"),
    (b"\xff\xfe{", "is not UTF-8, at byte 0"),
    (b'{"flags": {"a": NaN}}', "NaN is no number of JSON"),
    (b'{"flags": {"a": -Infinity}}', "-Infinity is no number of JSON"),
    (b"[" * 100_000, "is nested too deeply"),
    (b"9" * 10_000, "holds a number with too many digits"),
    (b'{"flags": {}, "a\x1b[1m": 1, "flags": {}}', "line 1: is not JSON: Invalid control"),
    (b'{"flags": {"\\u001b": 1, "\\u001b": 1}}', r"\x1b is there twice in one object"),
    (b" " * (MAX_BYTES + 1), "has more than 1,048,576 bytes"),
    ([], 'is no flagd file: it has no object "flags"'),
    ({"flag": {}}, 'is no flagd file: it has no object "flags"'),
    ({"flags": []}, 'is no flagd file: it has no object "flags"'),
    ({"flags": {}, "$evaluators": []}, "$evaluators is no object"),
    ({"flags": {"rust-percent": 5}}, "flag rust-percent: is no object"),
    (
        percent(targetting={}),
        "targetting is not known; there are state, variants, defaultVariant, targeting",
    ),
    (percent(state="enabled"), "flag rust-percent: state is neither ENABLED nor DISABLED"),
    (percent(state=[]), "flag rust-percent: state is neither ENABLED nor DISABLED"),
    (percent(variants={}), "flag rust-percent: has no variants"),
    (percent(variants=[5]), "flag rust-percent: has no variants"),
    *(
        (
            percent(variants={"1": 1, "x": wrong}),
            "flag rust-percent: variant x is not a number from 0 to 100",
        )
        for wrong in (100.0001, -1, "5", None, True, [5], 1e300)
    ),
    (b'{"flags": {"rust-percent": {"state": "ENABLED", "variants": {"x": 1e999}}}}', "variant x"),
    (
        {"flags": {"shadow-sample": flag("shadow-sample", 1.5)}},
        "flag shadow-sample: variant 1.5 is not a number from 0 to 1",
    ),
    (
        {"flags": {"rust-enabled": flag("rust-enabled", 1)}},
        "flag rust-enabled: variant 1 is not true or false",
    ),
    (percent(defaultVariant="x"), "flag rust-percent: defaultVariant x is not among the variants"),
    (percent(defaultVariant=True), "flag rust-percent: defaultVariant is no text"),
    (percent(defaultVariant={}), "flag rust-percent: defaultVariant is no text"),
    (ruled("1"), "flag rust-percent: targeting is no rule"),
    (ruled({"if": [], "or": []}), "targeting: an object with 2 names is no rule"),
    (ruled({"if": [True, {}, "1"]}), "targeting: an object with 0 names is no rule"),
    (ruled({"log": "1"}), "targeting: operator log is not known here"),
    (ruled({"fractional": [["1", 50], ["0", 50]]}), "operator fractional is not known here"),
    (ruled({"reduce": [[1, 2], {"cat": []}, "a"]}), "operator reduce is not known here"),
    (ruled({"starts_with": ["a"]}), "targeting: starts_with takes two operands"),
    (ruled({"var": "rout"}), "targeting: var rout is not known; there are route, method, path"),
    (ruled({"var": []}), "targeting: var  is not known"),
    (ruled({"var": {"cat": ["ro", "ute"]}}), "is not known; there are route"),
    (ruled({"$ref": "none"}), "targeting: $ref none is not in $evaluators"),
    (ruled({"$ref": {}}), "targeting: $ref {} is not in $evaluators"),
    (ruled(nested(100)), "targeting has more than 100 levels or 2,000 values"),
    (ruled({"cat": ["1"] * 2_000}), "targeting has more than 100 levels or 2,000 values"),
    (ruled({"cat": ["1" * 65_537]}), "targeting has more than 65,536 characters"),
    (ruled({"$ref": "e0"}) | {"$evaluators": LAUGHS}, "100 levels or 2,000 values"),
    (ruled({"$ref": "e"}) | {"$evaluators": {"e": {"$ref": "e"}}}, "100 levels or 2,000"),
    (ruled({"$ref": "e"}) | {"$evaluators": {"e": "1"}}, "targeting is no rule"),
    (ruled({"cat": "5\n"}), r"flag rust-percent: its rule fails: Resolved variant 5\n not in"),
    (ruled({"/": [1, 0]}), "flag rust-percent: its rule fails: ZeroDivisionError: division"),
    (ruled({"==": [None, [1]]}), "flag rust-percent: its rule fails: "),
]


@pytest.mark.parametrize(("content", "expected"), BROKEN)
def test_a_broken_file_keeps_the_last_good_flags(path: Path, content: Any, expected: str) -> None:
    watched = Watched(path, document(50.5))
    began = time.monotonic()
    (line,) = watched.put(content)
    assert time.monotonic() - began < 1
    assert line.startswith(f"{path}: ")
    assert expected in line
    assert line.endswith("; the flags from before hold")
    assert line.isprintable()
    assert len(line) < 400
    assert watched.file.error == line.removesuffix("; the flags from before hold")
    watched.file.poll()
    assert watched.told == [line]
    assert (watched.percent(), watched.file.generation) == (50.5, 1)
    assert watched.put(document(1)) == []
    assert (watched.percent(), watched.file.error) == (1, "")


@pytest.mark.parametrize(
    "content",
    [
        ruled(nested(98)),
        ruled({"if": [{"in": [{"var": "route"}, ["x"] * 1_990]}, "1", None]}),
        ruled({"if": [{"in": [{"var": ["route", "x"]}, "x" * 65_000]}, "1", None]}),
        json.dumps(document(1)).encode().ljust(MAX_BYTES),
        b"\xef\xbb\xbf" + json.dumps(document(1)).encode(),
        document(1, {}),
    ],
)
def test_what_is_within_the_bounds_is_taken(path: Path, content: Any) -> None:
    watched = Watched(path, document(50.5))
    assert watched.put(content) == []
    assert watched.percent() == 1


def test_an_evaluator_that_refuses_more_than_was_checked_is_heard(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ParseError("not today")

    watched = Watched(path, document(50.5))
    monkeypatch.setattr("shadow.sidecar.canary.flagd.FlagdCore.set_flags", refuse)
    (line,) = watched.put(document(1))
    assert "not today" in line
    assert watched.percent() == 50.5


@pytest.mark.parametrize("content", [None, b"{"])
def test_without_a_file_at_the_start_all_is_served_by_go(path: Path, content: Any) -> None:
    watched = Watched(path, content)
    assert watched.file.current("*") == watched.file.current(ITEM) == SAFE
    assert not SAFE.rust_enabled
    assert (watched.file.generation, watched.file.loaded_at) == (0, None)
    (line,) = watched.told
    assert line == f"{watched.file.error}; all is served by Go"
    watched.file.poll()
    assert watched.told == [line]
    assert watched.put(document(50.5)) == []
    assert (watched.percent(ITEM), watched.file.generation) == (50.5, 1)


def test_what_is_no_regular_file_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, loop = path.with_name("pipe"), path.with_name("loop")
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    expected = {
        pipe: "is not a regular file",
        path.parent: "is not a regular file",
        Path("/dev/zero"): "is not a regular file",
        loop: "cannot be read: Too many levels of symbolic links",
        path: "cannot be read: No such file or directory",
        path / "x\0y": "is not a path: embedded null byte",
    }
    for place, problem in expected.items():
        (line,) = Watched(place).told
        assert problem in line
        assert line.isprintable()
    write(path, document(1))

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    assert "cannot be read: Input/output error" in Watched(path).told[0]
    opened = {descriptor.resolve() for descriptor in Path("/proc/self/fd").iterdir()}
    assert path.resolve() not in opened


def test_a_rule_that_fails_for_a_route_keeps_it_on_go(path: Path) -> None:
    fails = {"if": [{"==": [{"var": "route"}, ITEM]}, "lots", None]}
    names = {"rust-percent": 100, "rust-enabled": True, "shadow-sample": 0}
    held = {name: flag(name, value, fails) for name, value in names.items()}
    watched = Watched(path, {"flags": held})
    assert watched.told == []
    assert watched.file.current(ITEM) == SAFE
    assert watched.file.current("GET /") == RouteFlags(rust_percent=100, shadow_sample=0)
    why = f"where its rule fails: Resolved variant lots not in variants config. (first for {ITEM})"
    assert watched.told == [
        f"{path}: flag rust-enabled is false {why}",
        f"{path}: flag rust-percent is 0 {why}",
        f"{path}: flag shadow-sample is 1 {why}",
    ]
    assert watched.file.error == watched.told[0].partition(" (first")[0]
    watched.file._routes.clear()
    assert watched.file.current(ITEM) == SAFE
    assert len(watched.told) == 3
    watched.put({"flags": held, "again": 1})
    assert watched.file.error == ""
    watched.file.current(ITEM)
    assert len(watched.told) == 6


def test_lines_about_rules_are_bounded(path: Path) -> None:
    rule = {"if": [{"==": [{"var": "route"}, "*"]}, None, {"var": "route"}]}
    watched = Watched(path, document(1, rule))
    assert [watched.percent(f"GET /{n}") for n in range(100)] == [0] * 100
    assert len(watched.told) == MAX_TOLD


def test_routes_that_are_kept_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROUTES", 10)
    rule = {"if": [{"ends_with": [{"var": "path"}, "7"]}, "100", None]}
    watched = Watched(path, document(1, rule))
    for n in range(100):
        assert watched.percent(f"GET /{n}") == (100 if n % 10 == 7 else 1)
        assert len(watched.file._routes) <= 10
    assert watched.file.current("GET /99") is watched.file.current("GET /99")


def test_openfeature_knows_no_provider_of_ours(path: Path) -> None:
    watched = Watched(path, document(50.5))
    other = Watched(path.with_name("other.json"), document(1))
    assert (watched.percent(), other.percent()) == (50.5, 1)
    assert api.get_client().get_float_value("rust-percent", 7.0) == 7.0
    assert api.get_client("shadow").get_float_value("rust-percent", 7.0) == 7.0


def test_the_provider_answers_for_every_type(path: Path) -> None:
    watched = Watched(path, document(50.5))
    assert watched.file._flags is not None
    client = watched.file._flags._client
    assert client.get_float_value("rust-percent", 7.0) == 50.5
    found = [
        client.get_integer_details("rust-percent", 7),
        client.get_string_details("rust-percent", "x"),
        client.get_object_details("rust-percent", []),
        client.get_boolean_details("rust-percent", default_value=False),
    ]
    assert [each.value for each in found] == [7, "x", [], False]
    assert {str(each.error_code) for each in found} == {"TYPE_MISMATCH"}
    assert client.provider.get_metadata().name == "flagd-file"


# Whatever is in it


def in_range(found: RouteFlags) -> bool:
    return (
        isinstance(found.rust_enabled, bool)
        and 0 <= found.rust_percent <= 100
        and 0 <= found.shadow_sample <= 1
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """One flag file for all examples: what one leaves behind is what the next begins with."""
    return Watched(tmp_path_factory.mktemp("kept") / "flags.json", document(50.5))


def check(watched: Watched, content: bytes) -> None:
    """Whatever is written, the flags are of it or those from before, and it is told which."""
    before, generation = watched.file.current(ITEM), watched.file.generation
    told = watched.put(content)
    after = watched.file.current(ITEM)
    assert in_range(after)
    if watched.file.generation == generation:
        assert after == before
    else:
        assert watched.file.generation == generation + 1
    assert all(line == plain(line) and len(line) < 1_000 for line in told)


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_any_bytes_are_borne(kept: Watched, content: bytes) -> None:
    generation = kept.file.generation
    check(kept, content)
    assert kept.file.generation == generation


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
OPERANDS = (
    JSON
    | st.sampled_from(["1", "100", "GET", ITEM])
    | st.sampled_from(["route", "method", "path", "$flagd.timestamp"]).map(lambda n: {"var": n})
)
RULES = st.recursive(
    OPERANDS,
    lambda inner: st.dictionaries(
        st.sampled_from(sorted(flagd._OPERATORS | {"$ref", "map"})),
        st.lists(inner, max_size=4) | inner,
        min_size=1,
        max_size=1,
    ),
    max_leaves=15,
)
KEYS = st.sampled_from(["state", "variants", "defaultVariant", "targeting", "description", "x"])


@given(name=st.sampled_from(sorted(VALUES)), changes=st.dictionaries(KEYS, JSON, max_size=2))
def test_any_flag_is_borne(kept: Watched, name: str, changes: dict[str, Any]) -> None:
    held = {"flags": {name: flag(name, VALUES[name][0]) | changes}}
    check(kept, json.dumps(held).encode())


@given(name=st.sampled_from(sorted(VALUES)), rule=RULES, more=RULES, late=st.booleans())
def test_any_rule_is_borne(kept: Watched, name: str, rule: Any, more: Any, late: bool) -> None:
    """Also one that is not followed when the file is read, but for a route alone."""
    if late:
        rule = {"if": [{"==": [{"var": "route"}, "*"]}, None, rule]}
    held = {"flags": {name: flag(name, VALUES[name][0], rule)}, "$evaluators": {"1": more}}
    check(kept, json.dumps(held).encode())


@given(cut=st.integers(0, 400))
def test_a_file_that_is_half_written_is_never_taken(kept: Watched, cut: int) -> None:
    whole = json.dumps(document(100, {"if": [True, "1", None]})).encode()
    generation = kept.file.generation
    kept.put(whole[: min(cut, len(whole) - 1)])
    assert kept.file.generation == generation


# Watching


def watching(watched: Watched, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Let a story happen while the file is watched."""

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(watched.file.watch())
            await story()
            task.cancel()

    asyncio.run(run())


def replace(path: Path, content: Any) -> None:
    """Write it beside and rename it over the file."""
    beside = path.with_name("beside")
    write(beside, content)
    beside.replace(path)


def overwrite(path: Path, content: Any) -> None:
    """Write it in place; size and time stamp stay the same."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(json.dumps(content).encode())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_every_way_to_change_a_file_is_noticed_within_a_second(path: Path) -> None:
    watched = Watched(path, document(1))

    async def story() -> None:
        for act, value in ((overwrite, 0), (replace, 50.5), (write, 100)):
            held = document(value)
            took = watched.after(partial(act, path, held), watched.file.changed)
            assert await took < 1
            assert watched.percent() == value
        assert await watched.after(path.unlink, watched.spoke) < 1
        assert "No such file" in watched.file.error
        assert watched.percent() == 100
        assert await watched.after(lambda: write(path, document(100)), watched.file.changed) < 1
        assert (watched.file.error, watched.file.generation) == ("", 5)

    watching(watched, story)
    assert len(watched.told) == 1


def test_a_config_map_that_swaps_its_link_is_noticed(path: Path) -> None:
    """The kubelet writes a new folder and renames a link to it over `..data`."""
    volume = path.parent
    for number, value in enumerate((1, 50.5)):
        (volume / f"..{number}").mkdir()
        write(volume / f"..{number}" / path.name, document(value))
    (volume / "..data").symlink_to("..0")
    path.symlink_to(f"..data/{path.name}")

    def swap() -> None:
        (volume / "..data_tmp").symlink_to("..1")
        (volume / "..data_tmp").replace(volume / "..data")

    watched = Watched(path)
    assert watched.percent() == 1

    async def story() -> None:
        assert await watched.after(swap, watched.file.changed) < 1

    watching(watched, story)
    assert (watched.percent(), watched.told) == (50.5, [])


def test_a_mode_that_forbids_to_read_keeps_the_flags(path: Path) -> None:
    watched = Watched(path, document(50.5))
    path.chmod(0)
    watched.file.poll()
    refused = os.geteuid() != 0  # root reads whatever the mode says
    assert ("Permission denied" in watched.file.error) == refused
    path.chmod(0o600)
    watched.file.poll()
    assert (watched.percent(), watched.file.error) == (50.5, "")
    assert watched.file.generation == 1 + refused


def test_a_hundred_flips_are_seen_one_after_the_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", POLL_S / 20)
    watched = Watched(path, document(0))
    seen = []

    async def story() -> None:
        for number in range(1, 101):
            act, held = (write, replace)[number % 2], document(number)
            took = watched.after(partial(act, path, held), watched.file.changed)
            assert await took < 1
            seen.append(watched.percent(ITEM))

    watching(watched, story)
    assert seen == list(range(1, 101))
    assert watched.file.generation == 101


def test_watching_starts_no_thread(path: Path) -> None:
    watched = Watched(path, document(1))
    before = threading.active_count()

    async def story() -> None:
        await watched.after(lambda: write(path, document(0)), watched.file.changed)
        assert threading.active_count() == before

    watching(watched, story)


# What is shipped and shown


def test_the_example_starts_with_nothing_on_rust(path: Path) -> None:
    example = (ROOT / "deploy" / "flags" / "flags.json").read_bytes()
    watched = Watched(path, example)
    assert watched.told == []
    assert watched.file.current(ITEM) == RouteFlags()
    assert watched.file.current("GET /healthz") == RouteFlags(shadow_sample=0)
    watched.put(example.replace(b'"defaultVariant": "none"', b'"defaultVariant": "half"'))
    assert watched.told == []
    routes = (ITEM, "HEAD /x", "POST /v1/items", "DELETE /v1/items/{id}")
    assert [watched.percent(each) for each in routes] == [50, 50, 0, 0]
    watched.put(example.replace(b'"defaultVariant": "on"', b'"defaultVariant": "off"'))
    assert not watched.file.current(ITEM).rust_enabled


def test_the_files_of_the_page_are_taken(path: Path) -> None:
    page = (ROOT / "docs" / "howto" / "flags.md").read_text("utf-8")
    blocks = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    watched = Watched(path)
    for block in blocks:
        held = json.loads(block)
        assert watched.put(held if "flags" in held else {"flags": held}) == [], block
