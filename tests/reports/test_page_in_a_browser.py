"""The HTML report in Debian's chromium: what a person does with it, by mouse and by keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from shadow.reports.page import render
from shadow.results.runs import Side
from shadow.results.summary import Summary, without_values
from shadow.results.trend import Series, Trend, TrendRun
from tests.reports import hostile, many
from tests.reports.browsing import chromium, contrast
from tests.reports.test_verdicts import FASTER, FEW, MET, MISSED, OPEN, SLOWER, held, timed

pytestmark = pytest.mark.packages
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open a report as a file; no complaint on the console and no request may come of it."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def opened(summary: Summary, *, course: Trend | None = None, **options: object) -> Page:
        file = tmp_path / "report.html"
        file.write_text(render(summary, course=course), "utf-8")
        context = browser.new_context(**options)  # type: ignore[arg-type]  # as Playwright has them
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith("file:")] == []
    assert len(asked) == len(contexts)


def rows(page: Page) -> int:
    return page.locator(".row").count()


def test_divergent_findings_are_shown_and_the_others_on_demand(
    show: Open, summary: Summary
) -> None:
    page = show(summary)
    divergent = [each for each in summary.findings if each.verdict == "divergent"]
    assert rows(page) == len(divergent)
    page.get_by_role("checkbox", name="noise").check()
    page.get_by_role("checkbox", name="equivalent").check()
    page.get_by_role("checkbox", name="accepted").check()
    assert rows(page) == len(summary.findings)
    expect(page.locator("#count")).to_have_text(f"{rows(page)} of {rows(page)} findings")


def test_filters_narrow_what_is_shown(show: Open, summary: Summary) -> None:
    page = show(summary)
    page.locator("#search").fill("cache-control MISSING")
    assert page.locator(".row .what code").all_inner_texts() == [
        "GET /v1/customers/{id}/orders/{order}/lines",
        "header cache-control",
    ]
    page.locator("#search").fill("12.340000000000001")
    assert rows(page) == 1
    page.locator("#search").fill("")
    page.locator("#cause").select_option(label="nil-slice-null (1)")
    assert rows(page) == 1
    page.locator("#cause").select_option("")
    page.get_by_role("checkbox", name="breaking").uncheck()
    assert set(page.locator(".row .severity").all_inner_texts()) == {"risky"}
    page.locator("#search").fill("no such thing")
    expect(page.locator("#count")).to_have_text(f"0 of {len(summary.findings)} findings")


def test_an_open_finding_shows_both_sides_and_marks_what_differs(
    show: Open, summary: Summary
) -> None:
    page = show(summary)
    page.locator("#search").fill("localised")
    row = page.locator(".row")
    expect(row).to_have_attribute("aria-expanded", "false")
    row.click()
    expect(row).to_have_attribute("aria-expanded", "true")
    example = page.locator(".example").first
    finding = next(each for each in summary.findings if "localised" in each.path_pattern)
    sides = example.locator(".side pre").all_inner_texts()
    assert sides == [finding.examples[0].baseline, finding.examples[0].candidate]
    marked = example.locator(".baseline mark").all_inner_texts()
    assert "".join(marked) == "\\u00e9 on"
    assert example.locator(".candidate mark").all_inner_texts() == ["é"]
    expect(page.locator(".command pre").first).to_have_text(
        f"shadow repro {finding.signature} --run {summary.run_id}"
    )
    row.click()
    expect(page.locator(".detail")).to_be_hidden()


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("/a?b='c'&d=$e", "curl -gi --path-as-is 'http://127.0.0.1:8080/a?b='\\''c'\\''&d=$e'"),
        ("/a?token=[masked:3f2a]", None),
        ("/a?b=\x1b", None),
        ("/" + "x" * 2000, None),
    ],
)
def test_a_request_is_repeated_where_all_of_it_is_known(
    show: Open, summary: Summary, target: str, line: str | None
) -> None:
    finding = next(each for each in summary.findings if each.endpoint.startswith("GET"))
    examples = (msgspec.structs.replace(finding.examples[0], target=target),)
    finding = msgspec.structs.replace(finding, examples=examples)
    page = show(msgspec.structs.replace(summary, findings=(finding,)))
    page.locator(".row").click()
    lines = page.locator(".example .command pre").all_inner_texts()
    assert [each.split("\n")[0] for each in lines] == ([] if line is None else [line])


def test_a_variable_stands_for_a_service_that_was_a_capture(show: Open, summary: Summary) -> None:
    page = show(msgspec.structs.replace(summary, baseline=Side(name="go 2")))
    page.locator("#search").fill("nil-slice-null")
    page.locator(".row").click()
    line, other = page.locator(".example .command pre").first.inner_text().split("\n")
    assert line == """curl -gi --path-as-is "$GO_2_URL"'/v1/items/{id}'"""
    assert other == "curl -gi --path-as-is 'http://127.0.0.1:8081/v1/items/{id}'"


def test_a_value_that_is_absent_says_so(show: Open, summary: Summary) -> None:
    page = show(summary)
    page.locator("#search").fill("cache-control")
    page.locator(".row").click()
    expect(page.locator(".side.candidate pre").first).to_have_text("absent")


def test_the_class_comes_with_its_fix(show: Open, summary: Summary) -> None:
    page = show(summary)
    page.locator("#search").fill("nil-slice-null")
    page.locator(".row").click()
    terms = page.locator(".detail dt").all_inner_texts()
    assert terms == ["cause", "impact", "fix in rust", "fix in go"]


def test_it_can_be_read_by_keys_alone(show: Open, summary: Summary) -> None:
    page = show(summary)
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("jk/")  # letters are letters there
    assert rows(page) == 0
    page.keyboard.press("Escape")
    expect(page.locator("#search")).to_have_value("")
    page.locator("#search").blur()
    page.keyboard.press("j")
    expect(page.locator(".row").nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator(".row").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".row").nth(1)).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("k")
    page.keyboard.press("Space")
    expect(page.locator(".row").nth(0)).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Tab")
    expect(page.locator(".copy").first).to_be_focused()


def test_an_endpoint_leads_to_its_findings(show: Open, summary: Summary) -> None:
    page = show(summary)
    page.locator(".endpoints").get_by_role("button", name="POST /v1/quote").click()
    names = set(page.locator(".row .what code:first-child").all_inner_texts())
    assert names == {"POST /v1/quote"}


@pytest.mark.parametrize("part", range(4))
def test_hostile_text_stays_text(show: Open, summary: Summary, part: int) -> None:
    page = show(hostile.full_of(summary, "".join(hostile.TEXTS[part::4])))
    for row in page.locator(".row").all():
        row.click()
    assert page.locator("img, iframe, object, embed, link, base").count() == 0
    assert page.locator("script").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_ten_thousand_findings_are_drawn_as_they_are_asked_for(
    show: Open, summary: Summary
) -> None:
    page = show(many.with_findings(summary, 10_000))
    assert rows(page) == 100
    page.get_by_role("button", name="Show 100 more of 9,900").click()
    assert rows(page) == 200
    page.locator("#search").fill("member_9876'")
    assert rows(page) == 1
    page.locator(".row").click()
    expect(page.locator(".detail .command").first).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_a_phone_and_a_desk_in_both_themes(
    show: Open, summary: Summary, theme: str, width: int
) -> None:
    page = show(summary, color_scheme=theme, viewport={"width": width, "height": 800})
    for row in page.locator(".row").all():
        row.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert contrast(page, "body") > 7
    for each in (".severity.breaking", ".note", ".origin", "mark", ".row .seen"):
        assert contrast(page, each) > 4.5, each


def a_course(summary: Summary) -> Trend:
    """Twenty runs in which the whole and two findings got better."""
    origin = TrendRun(run_id="r1", started=None, baseline="", candidate="", commit="")
    signatures = [each.signature for each in summary.findings if each.verdict == "divergent"]
    values = tuple(None if number == 7 else 0.3 - number / 100 for number in range(20))
    return Trend(
        subject="all endpoints",
        runs=(origin,) * 20,
        series=tuple(
            Series(name=name, unit="share", values=values) for name in ("divergent", *signatures)
        ),
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_what_was_judged_fits_too(show: Open, summary: Summary, theme: str, width: int) -> None:
    judged = held(timed(summary, *[FEW] * 9, FASTER, SLOWER), MISSED, OPEN, MET)
    page = show(
        judged,
        course=a_course(summary),
        color_scheme=theme,
        viewport={"width": width, "height": 800},
    )
    expect(page.locator("#latency ~ ul li").first).to_contain_text("slower")
    folded = page.locator("details", has_text="3 more").last
    expect(folded.locator("li").first).to_be_hidden()
    folded.locator("summary").click()
    expect(folded.locator("li").first).to_be_visible()
    assert page.locator("main section").first.get_attribute("aria-labelledby") == "gates"
    assert page.locator(".sparkline").count() == 7
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for each in (".state.fail", ".state.pass", ".state.inconclusive", ".course code + code"):
        assert contrast(page, each) > 4.5, each


def test_the_theme_can_be_changed(show: Open, summary: Summary) -> None:
    page = show(summary, color_scheme="light")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.get_by_role("button", name="Light").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == before


def test_without_scripts_the_first_findings_are_there(show: Open, summary: Summary) -> None:
    page = show(summary, java_script_enabled=False)
    divergent = [each for each in summary.findings if each.verdict == "divergent"]
    assert page.locator("noscript tbody tr").count() == len(divergent)
    expect(page.locator("#filters")).to_be_hidden()


def test_withheld_values_have_no_request_to_repeat(show: Open, summary: Summary) -> None:
    page = show(without_values(summary))
    page.locator(".row").first.click()
    assert page.locator(".command").count() == 1


def test_a_clean_run_says_so(show: Open, summary: Summary) -> None:
    page = show(msgspec.structs.replace(summary, findings=(), conclusion="match"))
    expect(page.locator("h1")).to_have_text("Match no divergence in 2,000 compared exchanges")
    expect(page.locator("#count")).to_have_text("Nothing differed anywhere.")
    expect(page.locator("#filters")).to_be_hidden()
