"""The live page in Debian's chromium, on its real port: it updates, and says when it cannot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from datetime import timedelta

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from shadow.reports.live.view import Live, LiveFinding, LiveRoutes
from shadow.results.routes import RouteChange, RouteState
from shadow.results.summary import Summary
from shadow.sidecar.ports.control import Control
from shadow.sidecar.ports.door import Door
from tests.listening import Listening, listening
from tests.reports import hostile, living
from tests.reports.browsing import chromium, contrast

pytestmark = pytest.mark.packages
TOKEN = "correct-horse-battery-staple"
Open = Callable[..., Page]


class Sidecar:
    """What the page shows; a test changes it."""

    def __init__(self, live: Live) -> None:
        self.now = live

    def live(self) -> Live:
        return self.now

    def routes(self) -> LiveRoutes:
        return self.now.routes

    def endpoints(self) -> Collection[str]:
        return ()

    async def changes(self, limit: int) -> Sequence[RouteChange]:
        raise AssertionError(limit)

    async def change(self, change: RouteChange) -> RouteState:
        raise AssertionError(change)

    def become(self, **changed: object) -> None:
        at = self.now.at + timedelta(seconds=1)
        self.now = msgspec.structs.replace(self.now, at=at, **changed)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def sidecar(summary: Summary) -> Sidecar:
    return Sidecar(living.sidecar(summary))


@pytest.fixture(scope="module")
def port(sidecar: Sidecar) -> Iterator[Listening]:
    door = Door(TOKEN, listening="127.0.0.1", tell=lambda _: None)
    with listening(Control(door, sidecar, sidecar.change)) as found:
        yield found


@pytest.fixture(autouse=True)
def afresh(sidecar: Sidecar, port: Listening, summary: Summary) -> None:
    sidecar.now = living.sidecar(summary)
    if not port.is_up:
        port.start()


@pytest.fixture
def show(browser: Browser, port: Listening) -> Iterator[Open]:
    """Open the live page; no complaint of the page may come of it, and no request elsewhere.

    With `clock`, its time stands still until the test moves it.
    """
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def opened(*, token: bool = True, clock: bool = False, **options: object) -> Page:
        if token:
            options["extra_http_headers"] = {"Authorization": f"Bearer {TOKEN}"}
        context = browser.new_context(**options)  # type: ignore[arg-type]  # as Playwright has them
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url))
        if clock:
            page.clock.install(time=living.AT)
        page.goto(f"{port.url}/-/live")
        return page

    yield opened
    for context in contexts:
        context.close()
    # Chromium itself says on the console what a server refuses or that there is none.
    assert [each for each in said if not each.startswith("Failed to load resource")] == []
    assert [url for url in asked if not url.startswith(f"{port.url}/-/")] == []


def poll(page: Page) -> None:
    """Let a second of the page's time pass, and the answer come."""
    with page.expect_response("**/live.json"):
        page.clock.run_for(1_000)


PLACES = """
() => [...document.querySelectorAll("h2, .row, tr")].map((each) => {
  const { top, height } = each.getBoundingClientRect();
  return [Math.round(top + scrollY), Math.round(height)];
})
"""


def test_numbers_change_in_place(show: Open, sidecar: Sidecar) -> None:
    page = show(clock=True)
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("#judged")).to_have_text("31 of 41,203 compared exchanges diverged.")
    before = page.evaluate(PLACES)
    page.locator(".row").nth(1).focus()
    live = sidecar.now
    worse = [
        msgspec.structs.replace(each, divergent=each.divergent + 9_000) for each in live.endpoints
    ]
    more = msgspec.structs.replace(
        live.findings[1], finding=msgspec.structs.replace(live.findings[1].finding, exchanges=9_999)
    )
    findings = (live.findings[0], more, *live.findings[2:])
    sidecar.become(
        divergent=9_031, endpoints=tuple(worse), findings=findings, queue=live.queue.__class__()
    )
    poll(page)
    expect(page.locator("#judged")).to_have_text("9,031 of 50,203 compared exchanges diverged.")
    expect(page.locator("#legend li").nth(2)).to_have_text("divergent 9,031")
    expect(page.locator(".row").nth(1).locator(".seen b")).to_have_text("9,999")
    expect(page.locator(".row").nth(1)).to_be_focused()
    expect(page.locator(".tiles .value").first).to_have_text("0 of 0")
    expect(page.locator("#updated")).to_contain_text("updated ")
    assert page.evaluate(PLACES) == before


def test_an_open_finding_stays_open(show: Open, sidecar: Sidecar) -> None:
    page = show(clock=True)
    row = page.locator(".row").first
    row.click()
    expect(page.locator(".detail .sides").first).to_be_visible()
    live = sidecar.now
    finding = msgspec.structs.replace(live.findings[0].finding, exchanges=77)
    first = msgspec.structs.replace(live.findings[0], finding=finding)
    sidecar.become(findings=(first, *live.findings[1:]))
    poll(page)
    expect(row.locator(".seen b")).to_have_text("77")
    expect(row).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".detail .sides").first).to_be_visible()


def newer(live: Live) -> LiveFinding:
    found = live.findings[0]
    finding = msgspec.structs.replace(found.finding, signature="f" * 16, endpoint="GET /v1/new")
    return msgspec.structs.replace(found, first=live.at, last=live.at, finding=finding)


def test_a_new_finding_comes_first(show: Open, sidecar: Sidecar) -> None:
    page = show(clock=True)
    names = page.locator(".row .what code:first-child")
    before = names.all_inner_texts()
    sidecar.become(findings=(newer(sidecar.now), *sidecar.now.findings))
    poll(page)
    expect(names.first).to_have_text("GET /v1/new")
    assert names.all_inner_texts()[1:] == before


def test_nothing_moves_under_a_hand(show: Open, sidecar: Sidecar) -> None:
    page = show(clock=True)
    names = page.locator(".row .what code:first-child")
    before = names.all_inner_texts()
    page.locator(".row").nth(2).focus()
    sidecar.become(findings=(newer(sidecar.now), *sidecar.now.findings))
    poll(page)
    expect(page.locator("#count")).to_contain_text("1 newer in a moment")
    assert names.all_inner_texts() == before
    for _ in range(3):
        poll(page)
    expect(names.first).to_have_text("GET /v1/new")
    expect(page.locator(".row").nth(3)).to_be_focused()
    expect(page.locator("#count")).not_to_contain_text("newer")


def test_what_is_gone_goes(show: Open, sidecar: Sidecar) -> None:
    page = show(clock=True)
    sidecar.become(findings=(), endpoints=(), routes=LiveRoutes())
    poll(page)
    expect(page.locator(".row")).to_have_count(0)
    expect(page.locator("#count")).to_have_text("Nothing differed so far that is not excused")
    expect(page.locator("table.endpoints tbody")).to_have_text("No exchange yet.")
    expect(page.locator("table.routes tbody")).to_have_text("No route yet.")
    expect(page.locator("h1")).to_have_text("Shadowing go serves everything")


def test_a_lost_connection_is_shown_until_it_is_back(show: Open, port: Listening) -> None:
    page = show(clock=True)
    expect(page.locator("html")).to_have_class("connected")
    port.stop()
    page.clock.run_for(1_000)
    expect(page.locator("#connection")).to_have_text("Connection lost")
    expect(page.locator("#updated")).to_contain_text("showing ")
    expect(page).to_have_title("(lost) Latched | shadow live")
    port.start()
    page.clock.run_for(6_000)
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page).to_have_title("Latched | shadow live")


def test_a_person_logs_in_and_is_told_when_that_has_ended(show: Open) -> None:
    page = show(token=False)
    expect(page.get_by_label("Admin token")).to_be_focused()
    page.keyboard.type("a guess")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That is not the token.")
    page.get_by_label("Admin token").fill(TOKEN)
    page.get_by_role("button", name="Show the live page").click()
    expect(page.locator("#connection")).to_have_text("Live")
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/-/")
    assert page.evaluate("document.cookie") == ""
    page.context.clear_cookies()
    expect(page.locator("#connection")).to_have_text("Signed out")
    page.get_by_role("link", name="Sign in again").click()
    expect(page.get_by_label("Admin token")).to_be_visible()


async def elsewhere(_: object, __: object, send: Callable[..., Awaitable[None]]) -> None:
    """A page of somebody else, without any policy."""
    headers = [(b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"<title>other</title>"})


def test_a_page_of_another_origin_sees_and_changes_nothing(show: Open, port: Listening) -> None:
    page = show(token=False)
    page.get_by_label("Admin token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#connection")).to_have_text("Live")
    asked_before = len(port.answered)
    with listening(elsewhere) as other:
        stranger = page.context.new_page()
        stranger.goto(other.url.replace("127.0.0.1", "localhost"))
        seen = stranger.evaluate(
            """(url) => {
              const send = (path, given) =>
                fetch(url + path, { credentials: "include", ...given }).then(() => 1, () => 0);
              const body = '{"reason":"r"}';
              return Promise.all([
                send("/-/live.json", {}),
                send("/-/routes", { mode: "no-cors" }),
                send("/-/routes/abort", { method: "POST", body, mode: "no-cors" }),
              ]);
            }""",
            port.url,
        )
        stranger.close()
    assert set(seen) == {0}
    told = {each.path: each.status for each in port.answered[asked_before:] if each.foreign}
    assert told == {"/-/live.json": 401, "/-/routes": 401, "/-/routes/abort": 403}


def test_it_is_read_by_keys_alone(show: Open) -> None:
    page = show(clock=True)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the findings")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#theme")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("region", name="Table of routes")).to_be_focused()
    for key in ("j", "j", "k", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".row").first).to_be_focused()
    expect(page.locator(".row").first).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Tab")
    expect(page.locator(".copy").nth(2)).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_a_phone_and_a_desk_in_both_themes(
    show: Open, sidecar: Sidecar, theme: str, width: int
) -> None:
    store = msgspec.structs.replace(sidecar.now.store, error="disk full", lost=3)
    sidecar.now = msgspec.structs.replace(sidecar.now, store=store)
    page = show(color_scheme=theme, viewport={"width": width, "height": 800})
    for row in page.locator(".row").all():
        row.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert contrast(page, "body") > 7
    for each in (
        "#connection",
        "#updated",
        ".verdict.latched",
        ".origin",
        ".tiles dt",
        ".tiles .bad",
        ".tiles .warn",
        ".tiles .about",
        ".stand.latched span",
        ".stand.override span",
        ".stand small",
        ".note",
        ".row .seen",
    ):
        assert contrast(page, each) > 4.5, each
    page.get_by_role("button", name="Dark" if theme == "light" else "Light").click()
    assert contrast(page, "body") > 7


BROKEN = """
() => {
  const found = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const named = (each) => each.textContent.trim() || each.getAttribute("aria-label");
  if (all("h1").length !== 1) found.push("not one h1");
  if (document.documentElement.lang !== "en") found.push("no language");
  const levels = all("h1, h2, h3").map((each) => Number(each.tagName[1]));
  if (levels.some((level, place) => place && level > levels[place - 1] + 1)) found.push("heading");
  const ids = all("[id]").map((each) => each.id);
  if (new Set(ids).size !== ids.length) found.push("an id twice");
  for (const each of all("button, a, th, h1, h2")) if (!named(each)) found.push(each.outerHTML);
  for (const each of all("svg")) if (!each.ariaHidden) found.push("svg");
  for (const each of all("input:not([hidden])")) if (!each.labels.length) found.push("no label");
  for (const name of ["aria-labelledby", "aria-controls", "aria-describedby"])
    for (const each of all(`[${name}]`))
      if (!document.getElementById(each.getAttribute(name))) found.push(`${name} of nothing`);
  for (const each of all(".scroll")) if (each.tabIndex !== 0) found.push("no key scrolls it");
  return found;
}
"""


def test_a_screen_reader_finds_its_way(show: Open) -> None:
    page = show(clock=True)
    page.locator(".row").first.click()
    assert page.evaluate(BROKEN) == []
    status = page.locator("[role=status]")
    assert status.all_inner_texts() == ["Live"]  # what changes each second is outside of it
    login = show(token=False)
    assert login.evaluate(BROKEN) == []


def test_hostile_names_stay_text(show: Open, sidecar: Sidecar) -> None:
    sidecar.now = living.full_of(sidecar.now, *hostile.TEXTS, times=5_000)
    page = show(clock=True)
    poll(page)
    expect(page.locator("table.endpoints tbody tr")).to_have_count(200)
    expect(page.locator("table.routes tbody tr")).to_have_count(200)
    expect(page.locator("#endpoints-left")).to_contain_text("and 4,800 more")
    for place in range(len(hostile.TEXTS)):
        page.locator(".row").nth(place).click()
    assert page.locator("img, iframe, object, embed, link, base").count() == 0
    assert page.locator("script").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts_it_says_what_to_type(show: Open) -> None:
    page = show(java_script_enabled=False)
    expect(page.locator("noscript p")).to_contain_text("shadow route status")
