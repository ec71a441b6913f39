from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shadow.printable import printable


@given(st.text())
def test_what_is_printable_stays_and_nothing_else(text: str) -> None:
    shown = printable(text, "?")
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert all(new in (old, "?") for old, new in zip(text, shown, strict=True))
    assert printable(shown) is shown


def test_what_is_kept_stays() -> None:
    assert printable("a\x1b[31m\nb\ud800") == "a [31m b "
    assert printable("a\x1b\nb", "?", keep="\n") == "a?\nb"
