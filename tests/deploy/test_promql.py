from __future__ import annotations

from tests.deploy import promql


def test_an_expression_is_read() -> None:
    found = promql.read(
        'sum by (job, side) (rate(shadow_requests_total{code=~"5xx|by (x)", side!=""}[5m:1m]))'
        " / on (job) group_left (side) up > bool 0.01 unless absent(process_open_fds) offset 5m"
    )
    assert found.metrics == {"shadow_requests_total", "up", "process_open_fds"}
    assert found.chosen_by == {
        ("shadow_requests_total", "code"),
        ("shadow_requests_total", "side"),
    }
    assert found.grouped_by == {"job", "side"}
    assert not found.problems()


def test_what_is_not_there_is_noticed() -> None:
    found = promql.read(
        'sum by (pod) (shadow_request_total{code="5xx"} + shadow_queue_depth{a="b"})'
    )
    assert sorted(found.problems()) == [
        "nothing has a label pod",
        "shadow_queue_depth has no label a",
        "there is no shadow_request_total",
    ]


def test_a_histogram_is_read_by_its_three_series() -> None:
    name = "shadow_request_duration_seconds"
    assert promql.labels_of(name) is None
    assert promql.labels_of(f"{name}_bucket") == frozenset({"job", "instance", "side", "le"})
    assert promql.labels_of(f"{name}_sum") == frozenset({"job", "instance", "side"})
    assert promql.labels_of("shadow_queue_depth_sum") is None
