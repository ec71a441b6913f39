from __future__ import annotations

import pytest

from shadow.model import Headers, Response
from shadow.sessions.jar import MAX_COOKIES, Jar


def jar(*lines: str, date: str | None = None) -> Jar:
    made = Jar()
    headers: Headers = tuple(("Set-Cookie", line) for line in lines)
    if date is not None:
        headers = (*headers, ("Date", date))
    made.take(Response(status=200, headers=headers))
    return made


def sent(own: Jar, recorded: str | None, *, known: Jar | None = None, target: str = "/a") -> str:
    headers: Headers = (("Host", "h"),) + ((("Cookie", recorded),) if recorded else ())
    found = own.sent(headers, target, known or jar("sid=old"))
    return "; ".join(value for name, value in found if name == "Cookie")


def test_a_recorded_cookie_becomes_the_side_s_own() -> None:
    assert sent(jar("sid=new; HttpOnly"), "theme=dark; sid=old") == "theme=dark; sid=new"


def test_a_cookie_never_set_here_is_sent_as_recorded() -> None:
    assert sent(Jar(), "theme=dark; sid=old") == "theme=dark; sid=old"


@pytest.mark.parametrize(
    "line",
    [
        "sid=; Max-Age=0",
        "sid=x; Max-Age=-1",
        "sid=deleted; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "sid=x; Max-Age=0; Expires=Thu, 01 Jan 2099 00:00:00 GMT",
    ],
)
def test_a_cookie_that_was_taken_back_is_not_sent(line: str) -> None:
    assert sent(jar("sid=new", line), "sid=old; a=1") == "a=1"
    assert sent(jar("sid=new", line), "sid=old") == ""


def test_an_expiry_is_past_by_the_clock_of_the_answer() -> None:
    line = "sid=x; Expires=Mon, 03 Aug 2026 10:00:00 GMT"
    assert sent(jar(line, date="Mon, 03 Aug 2026 09:00:00 GMT"), "sid=old") == "sid=x"
    assert sent(jar(line, date="Mon, 03 Aug 2026 11:00:00 GMT"), "sid=old") == ""


def test_a_cookie_that_only_this_side_sets_is_added_where_its_path_holds() -> None:
    own = jar("sid=new", "extra=1; Path=/a")
    assert sent(own, "sid=old", target="/a/b") == "sid=new; extra=1"
    assert sent(own, "sid=old", target="/ab") == "sid=new"
    assert sent(own, None, known=Jar(), target="/z") == "sid=new"


def test_a_recorded_client_that_keeps_a_cookie_back_is_followed() -> None:
    assert sent(jar("sid=new"), None) == ""


def test_a_jar_is_bounded() -> None:
    own = jar(*(f"c{number}=1" for number in range(MAX_COOKIES + 10)))
    assert sent(own, None, known=Jar()).count("=1") == MAX_COOKIES


def test_cookies_that_are_taken_back_are_bounded() -> None:
    assert len(jar(*(f"c{n}=; Max-Age=0" for n in range(2 * MAX_COOKIES)))._gone) == MAX_COOKIES
