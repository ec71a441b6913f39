from __future__ import annotations

from collections.abc import Callable

from shadow.model import Divergence
from shadow.results.finding import Finding, finding_key, gravity, worst

MakeDivergence = Callable[..., Divergence]


def test_keys_of_divergent_findings_sort_first(make_divergence: MakeDivergence) -> None:
    divergent = make_divergence("f" * 16)
    others = [
        make_divergence("0" * 16, verdict=verdict, rule="r")
        for verdict in ("noise", "accepted", "equivalent")
    ]
    keys = [finding_key(each) for each in [*others, divergent]]
    assert min(keys) == finding_key(divergent)
    assert len(set(keys)) == 4


def test_a_finding_has_the_key_of_its_divergences(make_divergence: MakeDivergence) -> None:
    divergence = make_divergence(class_id="c", verdict="accepted", rule="accept:c")
    assert finding_key(Finding.of("GET /a", divergence)) == finding_key(divergence)


def test_gravity_puts_what_matters_first(make_divergence: MakeDivergence) -> None:
    def finding(exchanges: int, **fields: object) -> Finding:
        made = Finding.of("GET /a", make_divergence(**fields))
        made.exchanges = exchanges
        return made

    ordered = [
        finding(1, severity="breaking"),
        finding(9, severity="risky"),
        finding(3, severity="risky"),
        finding(99, severity="benign"),
        finding(999, severity="breaking", verdict="noise"),
    ]
    shuffled = [ordered[place] for place in (3, 0, 4, 2, 1)]
    assert sorted(shuffled, key=gravity) == ordered


def test_the_worst_severity() -> None:
    assert worst("risky", "breaking") == worst("breaking", "benign") == "breaking"
    assert worst("benign", "risky") == "risky"
