"""The HTML report: its text here, what a browser makes of it in `test_page_in_a_browser`."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.reports.page import FILE_BYTES, render
from shadow.reports.page.document import embedded_json
from shadow.reports.page.findings import embedded
from shadow.reports.page.plots import plot, stacked
from shadow.results.latency import Latency
from shadow.results.summary import Percentiles, Summary, without_values
from tests.reports import golden, hostile, many

MakeSummary = Callable[..., Summary]


class Elements(HTMLParser):
    """The tags of a document with their attributes, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open in {"script", "style"}:
            self.texts.append((self._open, data))
            self._open = ""


def test_a_divergent_run(summary: Summary) -> None:
    text = render(summary)
    text = re.sub(r"sha256-[\w+/=]+", "DIGEST", text)
    text = re.sub(r"(<(style|script)>).*?(</\2>)", r"\1…\3", text, flags=re.DOTALL)
    golden.check("divergent.html", text)


def test_a_run_that_says_nothing(make_summary: MakeSummary) -> None:
    text = render(make_summary(skipped={"write": 9}, state="interrupted"))
    assert "Inconclusive" in text
    assert "What weakens the evidence" in text


def test_its_policy_admits_its_own_style_and_script_and_nothing_else(summary: Summary) -> None:
    page = Elements(render(summary))
    metas = [attributes for tag, attributes in page.tags if tag == "meta"]
    (policy,) = [each["content"] for each in metas if "http-equiv" in each]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    texts = [text for tag, text in page.texts if tag == "style"]
    scripts = [text for tag, text in page.texts if tag == "script"]
    assert len(texts) == 1
    assert len(scripts) == 2
    assert rules["style-src"] == digest(texts[0])
    assert rules["script-src"] == digest(scripts[1])
    assert json.loads(scripts[0])["names"] == ["go", "rust"]


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_hostile_text_adds_no_element_and_no_attribute(summary: Summary, text: str) -> None:
    plain, full = Elements(render(summary)), Elements(render(hostile.full_of(summary, text)))
    assert {tag for tag, _ in full.tags} <= {tag for tag, _ in plain.tags} | {"small"}
    names = {name for _, attributes in plain.tags for name in attributes}
    assert {name for _, attributes in full.tags for name in attributes} <= names
    links = [each["href"] for tag, each in full.tags if tag == "a"]
    assert links == ["#findings"]
    json.loads(next(text for tag, text in full.texts if tag == "script"))


@settings(max_examples=100)
@given(hostile.texts)
def test_the_embedded_json_ends_no_element(text: str) -> None:
    shown = embedded_json([text.encode("utf-8", "replace").decode()])
    assert "<" not in shown
    assert json.loads(shown) == [text.encode("utf-8", "replace").decode()]


def test_ten_thousand_findings_take_less_than_two_megabytes(summary: Summary) -> None:
    text = render(many.with_findings(summary, 10_000))
    assert len(text.encode()) < FILE_BYTES
    data = json.loads(next(text for tag, text in Elements(text).texts if tag == "script"))
    assert len(data["findings"]) == 10_000
    with_example = [row for row in data["findings"] if row[-1]]
    assert len(with_example) > 800
    assert data["findings"][: len(with_example)] == with_example  # the gravest have them
    assert "found no room in this file" not in re.sub(r"<script.*", "", text, flags=re.DOTALL)


def test_findings_without_room_are_counted(summary: Summary) -> None:
    data, left = embedded(many.with_findings(summary, 1000), 20_000)
    assert len(data.encode()) < 24_000
    assert len(json.loads(data)["findings"]) + left == 1000
    assert left > 500


@pytest.mark.parametrize("count", [1, 60])
def test_few_findings_have_their_values_whole(summary: Summary, count: int) -> None:
    data, left = embedded(many.with_findings(summary, count), 1_500_000)
    assert left == 0
    assert all(len(row[-1]) == 3 for row in json.loads(data)["findings"])
    assert all(len(each[4]) > 900 for row in json.loads(data)["findings"] for each in row[-1])


def test_values_can_be_withheld(summary: Summary) -> None:
    text = render(without_values(summary))
    assert "[withheld]" in text
    assert "quick brown fox" not in text
    assert "12.34" not in text.replace("12.34 s", "")


def percentiles(values: list[int]) -> Percentiles:
    latency = Latency()
    for value in values:
        latency.record(value)
    (p50, p90) = latency.percentiles((50, 90))
    found = {"p50": latency.interval(50)}
    return Percentiles(
        count=len(values),
        p50=p50,
        p90=p90,
        intervals={name: each for name, each in found.items() if each},
        spread=latency.spread(),
    )


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_a_plot_stays_in_its_box(values: list[int]) -> None:
    shown = plot(percentiles(values), percentiles(values[::-1]))
    assert shown is not None
    for bar in shown["bars"]:
        assert 0 <= bar["x"] <= shown["width"]
        assert bar["height"] > 0
        assert 0 <= bar["y"] <= bar["y"] + bar["height"] <= shown["height"] - 14
    assert shown["ticks"]
    assert all(0 <= mark["x"] <= shown["width"] for mark in shown["marks"])


def test_without_times_there_is_no_plot() -> None:
    assert plot(Percentiles(), Percentiles()) is None


def test_a_stacked_bar_shows_one_of_a_million() -> None:
    parts = stacked([("match", 999_999), ("divergent", 1), ("skipped", 0)])
    assert [name for name, _, _ in parts] == ["match", "divergent"]
    assert parts[1][2] > 0.4
    assert parts[1][1] + parts[1][2] == pytest.approx(100, abs=0.1)
    assert stacked([("match", 0)]) == []
