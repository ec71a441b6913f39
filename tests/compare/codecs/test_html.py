from __future__ import annotations

import html as escaping
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.codecs import html
from shadow.compare.codecs.values import OverBudgetError
from shadow.compare.json_text import to_text
from tests.compare.codecs.answers import (
    PATIENT,
    SPELLING,
    content,
    diverges,
    found,
    in_bodies,
    judged,
    meter,
    mutated,
    reads_or_refuses,
    verdicts,
)

LABEL = "text/html; charset=utf-8"
SEED = (
    b"<!DOCTYPE html><html><head><title>a &amp; b</title><script>if (a<b) {}</script></head>"
    b'<body><p class="x" id=y>hi <b>bold</b> <i>x</i><br><pre> a\n b</pre><textarea>&lt;'
    b"</textarea><svg><path/></svg></body></html>"
)

WORDS = st.lists(st.text("ab<>&\"'=é", min_size=1, max_size=3), min_size=1, max_size=3)
TEXTS = WORDS.map(" ".join)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["id", "class", "href"]), st.text("a<>&\"' é", max_size=4)
)
ELEMENTS: st.SearchStrategy[Any] = st.recursive(
    st.tuples(st.sampled_from(["p", "li", "h1"]), ATTRIBUTES, st.just("") | TEXTS),
    lambda inner: st.tuples(
        st.sampled_from(["div", "ul"]), ATTRIBUTES, st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)
"""Block elements that hold text or block elements."""
RANDOM = st.randoms(use_true_random=False)


def _cased(name: str, choose: random.Random) -> str:
    return choose.choice((name, name.upper()))


def _characters(text: str, choose: random.Random) -> str:
    forms = [
        choose.choice((f"&#{ord(one)};", f"&#x{ord(one):X};", escaping.escape(one))) for one in text
    ]
    return "".join(forms)


def written(element: Any, choose: random.Random) -> str:
    """An element in any of the ways it may be written."""
    name, attributes, inside = element
    pairs = list(attributes.items())
    choose.shuffle(pairs)
    tag = _cased(name, choose)
    for key, value in pairs:
        quote = choose.choice("'\"")
        tag += f" {_cased(key, choose)}"
        if value:
            tag += f"={quote}{_characters(value, choose)}{quote}"
    space = choose.choice(("", "\n", "  ", "<!-- - -->"))
    if isinstance(inside, str):
        words = [_characters(word, choose) for word in inside.split(" ")]
        inner = choose.choice((" ", "\n ", "<!-- --> ")).join(words)
    else:
        inner = space.join(written(child, choose) for child in inside)
    return f"<{tag}>{space}{inner}{space}</{_cased(name, choose)}>"


def read(text: str) -> str:
    return to_text(html.read(content(text, LABEL), meter()).value)


@given(ELEMENTS, RANDOM, RANDOM)
def test_layout_quoting_and_references_are_spelling(
    element: Any, one: random.Random, two: random.Random
) -> None:
    ours, theirs = written(element, one), written(element, two)
    assert verdicts(ours, theirs, LABEL) <= SPELLING


@given(ELEMENTS, ELEMENTS, RANDOM)
def test_another_value_diverges(left: Any, right: Any, choose: random.Random) -> None:
    ours, theirs = written(left, choose), written(right, choose)
    assert diverges(ours, theirs, LABEL) == (left != right)


@given(mutated(SEED, b"<a b='", b"&#x110000;&#0;&lt", b"<!--", b"</", b"<script>", b"<pre>\r\n"))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reads_or_refuses("html", content(data, LABEL))


def test_places() -> None:
    ours = "<html><body><p class='a'>one <b>two</b></p></body></html>"
    theirs = "<html><body><p class='b'>one <b>2</b></p></body></html>"
    place = "$[0]['html']['content'][0]['body']['content'][0]['p']"
    assert found(ours, theirs, LABEL) == [
        ("value_changed", f"{place}['@class']", '"a"', '"b"'),
        ("value_changed", f"{place}['content'][1]['b']['text']", '"two"', '"2"'),
    ]


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a  <b> c</b>\n", '["a ",{"b":{"text":" c"}}]'),
        ("<p> a\n b </p> <p></p>", '[{"p":{"text":"a b"}},{"p":{}}]'),
        ("<b>x</b> <i>y</i>", '[{"b":{"text":"x"}}," ",{"i":{"text":"y"}}]'),
        ("<pre> a\r\n b </pre>", '[{"pre":{"text":" a\\n b "}}]'),
        ("<textarea>&lt;p> </textarea>", '[{"textarea":{"text":"<p> "}}]'),
        ("<script>a < b && '</p>'</script>", '[{"script":{"text":"a < b && \'</p>\'"}}]'),
        ("<br>x<br/>", '[{"br":{}},"x",{"br":{}}]'),
        ("<svg><g/><p/></svg>", '[{"svg":{"content":[{"g":{}},{"p":{}}]}}]'),
        ("<div/>x", '[{"div":{"text":"x"}}]'),
        ("</b>x", '[{"/b":{}},"x"]'),
        ("<b><i>x</b>y", '[{"b":{"content":[{"i":{"text":"x"}}]}},"y"]'),
        ("<!DOCTYPE  HTML><p>", '[{"!doctype":"html"},{"p":{}}]'),
        ("a<!-- b -->c<!-->d", '["acd"]'),
        ("<![CDATA[x]]>", '[{"<!":"[CDATA[x]]"}]'),
        ("<a href=/x?a=1&copy=2&amp;b>", '[{"a":{"@href":"/x?a=1&copy=2&b"}}]'),
        ("<a title='&copyright &copy; &lt'>", '[{"a":{"@title":"&copyright © <"}}]'),
        ("&copyright", '["©right"]'),
        ("<input disabled value=''>", '[{"input":{"@disabled":"","@value":""}}]'),
        ("<p id=a id=b>", '[{"p":{"@id":"a"}}]'),
        ("1 < 2 <", '["1 < 2 <"]'),
        ("<p>a<b", '[{"p":{"text":"a<b"}}]'),
        ("<p>a</p", '[{"p":{"text":"a</p"}}]'),
        ("<p>a<!-- b", '[{"p":{"content":["a",{"<!--":" b"}]}}]'),
        ("&#" + "9" * 5000 + ";&#xD800;&#0;", '["\ufffd\ufffd\ufffd"]'),
    ],
)
def test_trees(text: str, tree: str) -> None:
    assert read(text) == tree


def test_other_references_have_their_class() -> None:
    (divergence,) = in_bodies(judged("<p>&#34;a&#34;</p>", "<p>&quot;a&quot;</p>", LABEL))
    assert (divergence.kind, divergence.class_id) == ("spelling", "html-entity-escape")
    assert divergence.verdict == "equivalent"
    (divergence,) = in_bodies(judged("<p>&#34;a</p>", "<P>&quot;a</P>", LABEL))
    assert (divergence.kind, divergence.class_id) == ("spelling", None)


def test_two_charsets_are_spelling() -> None:
    labels = (LABEL, "text/html; charset=ISO-8859-1")
    text = "<p>é</p>"
    assert ("spelling", "equivalent") in verdicts(text, text.encode("latin-1"), labels)
    assert in_bodies(judged(text, text.encode("latin-1"), LABEL))[0].verdict == "divergent"


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_page_is_one_difference(status: int) -> None:
    ours, theirs = "<p>a</p><p>b</p>", "<p>c</p><p>d</p>"
    assert found(ours, theirs, LABEL, status=status) == [("value_changed", "", ours, theirs)]


def test_depth_and_size_are_bounded() -> None:
    deep = "<b>" * 10_000
    ((kind, _, *values),) = found(deep + "x", deep + "y", LABEL, options=PATIENT)
    assert (kind, values) == ("value_changed", ['"x"', '"y"'])
    with pytest.raises(OverBudgetError):
        html.read(content(deep, LABEL), meter(9_000))


@pytest.mark.parametrize(
    "part", ["<!--", "<a ", "<a b='", '<a b="', "<![CDATA[", "</", "<script>", "&#x", "<a/", "</b>"]
)
def test_no_text_takes_more_than_linear_time(part: str) -> None:
    started = time.perf_counter()
    html.read(content(part * 20_000, LABEL), meter())
    assert time.perf_counter() - started < 1
