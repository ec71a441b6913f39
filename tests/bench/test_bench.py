"""Every benchmark at a tiny size, so that none of them rots."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from bench import __main__ as command
from bench import compare, measure, memory, profiled, replay, start, stored, traffic, upstream
from bench.figures import Bound, Figure, table
from shadow.captures import read
from shadow.model import Exchange, Outcome

TINY = measure.Sizes(
    rounds=2,
    replayed=300,
    replayed_on_pair=150,
    plainly=40,
    wrk_s=1,
    bodies=(1_500,),
    lists=(20, 40),
    longest_for_deepdiff=20,
    memory=(200, 400),
    memory_bound_at=400,
    diffed=200,
    reported=200,
)
BUILD = Path(__file__).parents[2] / "services" / "build.sh"

needs_nginx = pytest.mark.skipif(
    bool(upstream.missing()) or not shutil.which("wrk"),
    reason="nginx and wrk are not installed: make packages",
)


def figure(**given: object) -> Figure:
    plain = {"area": "a", "what": "w", "unit": "/s", "shadow": (1.0, 30.0, 2.0)}
    return Figure(**{**plain, **given})  # type: ignore[arg-type]  # fields of any type


def names(figures: list[Figure]) -> set[str]:
    return {f"{each.what} | {each.against}" for each in figures}


def whole(figures: list[Figure], rounds: int = TINY.rounds) -> bool:
    """Whether each was taken as often as it should be, and none is zero."""
    samples = [each.shadow for each in figures] + [each.other for each in figures if each.other]
    return all(len(each) == rounds and min(each) > 0 for each in samples)


@pytest.fixture
def said() -> list[str]:
    return []


# Figures


def test_a_ratio_says_how_many_times_as_good() -> None:
    assert figure(other=(0.5, 0.5)).ratio == 4
    assert figure(unit="s", other=(0.5, 0.5)).ratio == 0.25
    assert figure(unit="MB", other=(1.0,)).ratio == 2
    assert figure().ratio is None


@pytest.mark.parametrize(
    ("bound", "other", "reached"),
    [
        (Bound(on="ratio", least=4), (0.5,), True),
        (Bound(on="ratio", least=4.1), (0.5,), False),
        (Bound(on="value", most=2), (), True),
        (Bound(on="value", most=1.9), (), False),
        (Bound(on="ratio", least=4), (), None),
        (None, (0.5,), None),
    ],
)
def test_what_was_wanted_is_reached_or_not(
    bound: Bound | None, other: tuple[float, ...], reached: bool | None
) -> None:
    assert figure(bound=bound, other=other).reached is reached


def test_the_table_shows_medians_spread_and_verdict() -> None:
    console = Console(width=140, file=io.StringIO())
    with console.capture() as shown:
        console.print(table([figure(other=(0.5,), bound=Bound(on="ratio", least=5))], "t"))
    text = shown.get()
    assert "2/s" in text
    assert "1/s to 30/s" in text
    assert "NO" in text


# Measuring


def test_contenders_take_turns() -> None:
    order: list[str] = []

    def one(name: str, value: float) -> float:
        order.append(name)
        return value

    samples = measure.in_turns(3, lambda: one("a", 1), lambda: one("b", 2))
    assert "".join(order) == "ababab"
    assert samples == [(1, 1, 1), (2, 2, 2)]


def test_the_peak_of_a_child_is_its_own_and_not_its_parents() -> None:
    held = bytearray(200 * 1024 * 1024)
    held[::4096] = b"x" * len(held[::4096])
    small = measure.run([sys.executable, "-c", "pass"])
    large = measure.run(
        [sys.executable, "-c", "b = bytearray(64 * 1024 * 1024); b[::4096] = b[::4096]"]
    )
    assert small.peak_mb < 50
    assert 64 < large.peak_mb < 150
    assert small.cpu_s > 0


def test_a_command_that_fails_is_no_measurement() -> None:
    with pytest.raises(measure.FailedError, match="ended with 3: oh no"):
        measure.run(
            [sys.executable, "-c", "import sys; print('oh no', file=sys.stderr); sys.exit(3)"]
        )


def test_what_is_pinned_goes_free_again() -> None:
    before = measure.cores()
    with measure.pinned(measure.own_core()):
        assert measure.cores() == sorted(measure.own_core())
    assert measure.cores() == before


# Traffic


def test_generated_captures_can_be_read_and_every_hundredth_is_odd(tmp_path: Path) -> None:
    written = traffic.write(tmp_path / "a.jsonl", traffic.requests(250, odd=True))
    exchanges = [each for each in read([written]) if isinstance(each, Exchange)]
    assert len({each.id for each in exchanges}) == 250
    odd = [each for each in exchanges if each.request.target.startswith(traffic.ODD_PATH)]
    assert len(odd) == 3


def test_a_goreplay_file_holds_the_same_requests(tmp_path: Path) -> None:
    ours = [each.request for each in traffic.requests(20)]
    written = traffic.write_for_goreplay(tmp_path / "a.gor", traffic.requests(20))
    theirs = [each.request for each in read([written]) if isinstance(each, Exchange)]
    assert theirs == ours


# The benchmarks


@pytest.mark.slow
@needs_nginx
def test_replay_beside_the_plain_program_and_wrk(said: list[str]) -> None:
    with replay.nginx(TINY) as (pair, server):
        figures = replay.on_nginx(TINY, pair, server, said.append)
    assert whole(figures)
    assert "replay, nginx, one core: requests | wrk, one target, nothing compared" in names(figures)
    assert f"replay, nginx, one core: exchanges | {replay.PLAINLY}" in names(figures)


@pytest.mark.slow
@needs_nginx
def test_both_programs_find_the_same_differences(tmp_path: Path) -> None:
    with upstream.running(*traffic.bodies()) as server:
        capture = traffic.write(tmp_path / "odd.jsonl", traffic.requests(250, odd=True))
        pair = replay.Pair(
            folder=tmp_path,
            baseline=server.baseline,
            candidate=server.candidate,
            capture=capture,
        )
        before = server.handled()
        ours = json.loads(measure.shadow(*replay.shadow_command(pair, capture)).stdout)
        plain = [sys.executable, "-m", "bench.naive", str(capture), pair.baseline, pair.candidate]
        theirs = json.loads(
            measure.run(
                [*plain, str(tmp_path / "log")], env={"PYTHONPATH": str(measure.ROOT)}
            ).stdout
        )
        handled = server.handled() - before
    assert ours["read"] == theirs["exchanges"] == 250
    assert ours["divergent"] == theirs["different"] == 3
    assert 4 * 250 <= handled <= 4 * 250 + 10  # and shadow's probes
    assert len((tmp_path / "log").read_text("utf-8").splitlines()) == 250


@pytest.mark.slow
@pytest.mark.e2e
def test_replay_against_the_pair() -> None:
    subprocess.run([BUILD], check=True)
    with replay.demo(TINY) as pair:
        assert whole(replay.on_demo(TINY, pair))


@needs_nginx
def test_a_replay_that_judged_nothing_is_no_measurement(tmp_path: Path) -> None:
    pair = replay.Pair(
        folder=tmp_path,
        baseline="http://127.0.0.1:1",
        candidate="http://127.0.0.1:1",
        capture=traffic.write(tmp_path / "a.jsonl", traffic.requests(2)),
    )
    with pytest.raises(measure.FailedError):
        replay.shadow(pair, frozenset(), 0.0)


def test_compare_beside_deepdiff(said: list[str]) -> None:
    figures = compare.measured(TINY, said.append)
    assert whole(figures)
    assert not any(each.wrong for each in figures)
    assert len(figures) == 6 + 2 + 2
    assert all(each.note for each in figures if "list of 40" in each.what and each.other)


def test_a_pair_that_is_judged_wrongly_reaches_nothing() -> None:
    case = compare.Case(
        name="wrong",
        baseline=b"{}",
        candidate=b"[]",
        outcome=Outcome.MATCH,
        bound=Bound(on="value", most=1000),
    )
    found = compare.beside_deepdiff(TINY, case, case.name)
    assert found.wrong == "wrong: judged divergent, not match"
    assert found.reached is False


@needs_nginx
def test_memory(said: list[str]) -> None:
    figures = memory.measured(TINY, said.append)
    assert whole(figures, 1)
    assert figures[-1].ratio is not None
    assert figures[-1].bound == memory.WITHIN


@pytest.mark.slow
@pytest.mark.parametrize("area", [stored.workers, stored.report, start.measured])
def test_what_needs_no_service(area: command.Area, said: list[str]) -> None:
    assert whole(area(TINY, said.append))


@pytest.mark.slow
@needs_nginx
@pytest.mark.e2e
def test_profile(tmp_path: Path) -> None:
    subprocess.run([BUILD], check=True)
    path = tmp_path / "profile.txt"
    assert profiled.write(TINY, path) == ""
    assert path.read_text("utf-8").count("By own time") == 2


def test_a_profile_is_told_by_exchange() -> None:
    spent: dict[profiled.Place, profiled.Spent] = {
        ("/a/shadow/judge.py", 7, "judge"): (10, 10, 0.001, 0.004, {}),
        ("~", 0, "<built-in compile>"): (1, 1, 0.002, 0.002, {}),
    }
    own, in_all = profiled.told(spent, 10, "nginx").split("By time in all")
    assert own.index("compile") < own.index("    1.00   100.00   400.00  shadow/judge.py:7 judge")
    assert "compile" not in in_all  # it is not called for every exchange


def test_everything_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    written = command.write([figure(other=(0.5,))], TINY)
    content = json.loads(written.read_text("utf-8"))
    assert content["figures"][0]["shadow"] == [1.0, 30.0, 2.0]
    assert content["figures"][0]["ratio"] == 4
    assert content["machine"]["cores"]
