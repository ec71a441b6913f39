from __future__ import annotations

import random
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare import CompareOptions
from shadow.compare.codecs import xml
from shadow.compare.codecs.values import OverBudgetError, UnreadableError
from shadow.compare.json_text import to_text
from shadow.compare.rules import ListRule, Rules, parse_pattern
from tests.compare.codecs.answers import (
    PATIENT,
    SPELLING,
    content,
    diverges,
    found,
    meter,
    mutated,
    reads_or_refuses,
    verdicts,
)

LABEL = "application/xml"
SEED = (
    b'<?xml version="1.0" encoding="utf-8"?><!DOCTYPE a SYSTEM "x"><a x="1" y=\'&lt;2\'>'
    b"<!-- c --><b>t&#65;<![CDATA[x]]></b>&foo; tail<?pi d?></a><!--e-->"
)

TEXT = st.text("ab<>&\"' \té]\U0001f600", min_size=1, max_size=5)
NAMES = st.sampled_from(["a", "b", "ns:c"])
ELEMENTS: st.SearchStrategy[Any] = st.recursive(
    st.tuples(NAMES, st.dictionaries(NAMES, TEXT, max_size=2), st.just("") | TEXT),
    lambda inner: st.tuples(
        NAMES, st.dictionaries(NAMES, TEXT, max_size=2), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)
"""Name, attributes, and text or elements."""
RANDOM = st.randoms(use_true_random=False)


def _characters(text: str, choose: random.Random, *, quote: str = "") -> str:
    spelled = []
    for character in text:
        forms = [f"&#{ord(character)};", f"&#x{ord(character):x};"]
        named = escape(character, {'"': "&quot;", "'": "&apos;"})
        # White space in an attribute is a space unless it is a reference.
        if named != character or (character != quote and not (quote and character == "\t")):
            forms.append(named)
        spelled.append(choose.choice(forms))
    return "".join(spelled)


def written(element: Any, choose: random.Random) -> str:
    """An element in any of the ways it may be written."""
    name, attributes, inside = element
    pairs = list(attributes.items())
    choose.shuffle(pairs)
    tag = name
    for key, value in pairs:
        quote = choose.choice("'\"")
        tag += choose.choice((" ", "\n  ")) + key + choose.choice(("=", " = "))
        tag += quote + _characters(value, choose, quote=quote) + quote
    if not inside and choose.random() < 0.5:
        return f"<{tag}/>"
    if isinstance(inside, str):
        if choose.random() < 0.3 and inside.isascii() and "]]>" not in inside:
            return f"<{tag}><![CDATA[{inside}]]></{name}>"
        return f"<{tag}>{_characters(inside, choose)}</{name} >"
    spaces = ["", "\n", "  "]
    inner = "".join(choose.choice(spaces) + written(child, choose) for child in inside)
    return f"<{tag}>{inner}{choose.choice(spaces)}</{name}>"


def document(element: Any, choose: random.Random) -> bytes:
    encoding = choose.choice(("utf-8", "utf-16", "us-ascii"))
    declaration = f"<?xml version='1.0' encoding='{encoding}'?>\n"
    if encoding == "utf-8" and choose.random() < 0.5:
        declaration = ""
    text = declaration + written(element, choose) + choose.choice(("", "\n"))
    return text.encode(encoding, "xmlcharrefreplace")


def read(text: bytes | str, label: str = LABEL) -> str:
    return to_text(xml.read(content(text, label), meter()).value)


@given(ELEMENTS, RANDOM, RANDOM)
def test_layout_quoting_and_escapes_are_spelling(
    element: Any, one: random.Random, two: random.Random
) -> None:
    ours, theirs = document(element, one), document(element, two)
    assert verdicts(ours, theirs, LABEL) <= SPELLING


@given(ELEMENTS, ELEMENTS, RANDOM)
def test_another_value_diverges(left: Any, right: Any, choose: random.Random) -> None:
    ours, theirs = written(left, choose), written(right, choose)
    assert diverges(ours, theirs, LABEL) == (left != right)


@given(mutated(SEED, b"<a>", "<é/>".encode("utf-16")))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reads_or_refuses("xml", content(data, LABEL))


def test_places() -> None:
    ours = '<order id="7"><item><price unit="EUR">3.50</price></item><note/></order>'
    theirs = '<order id="8"><item><price unit="EUR">3.5</price></item><note>x</note></order>'
    price = "$['order']['content'][0]['item']['content'][0]['price']['text']"
    assert found(ours, theirs, LABEL) == [
        ("value_changed", "$['order']['@id']", '"7"', '"8"'),
        ("value_changed", price, '"3.50"', '"3.5"'),
        ("extra", "$['order']['content'][1]['note']['text']", None, '"x"'),
    ]


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("<a/>", '{"a":{}}'),
        ("<a> </a>", '{"a":{"text":" "}}'),
        ("<a>\n <b/>\n</a>", '{"a":{"content":[{"b":{}}]}}'),
        ("<a>x <b/> </a>", '{"a":{"content":["x ",{"b":{}}," "]}}'),
        (
            "<a xml:space='preserve'> <b/></a>",
            '{"a":{"@xml:space":"preserve","content":[" ",{"b":{}}]}}',
        ),
        ("<a>x<!--c-->y</a>", '{"a":{"content":["x",{"#comment":"c"},"y"]}}'),
        ("<?p q?><a/><!--e-->", '{"#before":[{"?p":"q"}],"a":{},"#after":[{"#comment":"e"}]}'),
        ("<!DOCTYPE a><a/>", '{"#before":[{"!DOCTYPE":["a",null,null]}],"a":{}}'),
        ("<p:a xmlns:p='u'/>", '{"p:a":{"@xmlns:p":"u"}}'),
    ],
)
def test_trees(text: str, tree: str) -> None:
    assert read(text) == tree


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("<a><b/><c/></a>", "<a><c/><b/></a>"),
        ("<a>x</a>", "<a> x</a>"),
        ("<a><!--c--></a>", "<a><!--d--></a>"),
        ("<a b=''/>", "<a/>"),
        ("<p:a xmlns:p='u'/>", "<q:a xmlns:q='u'/>"),
        ("<?p q?><a/>", "<a/>"),
        ("<!DOCTYPE a SYSTEM 'x'><a/>", "<!DOCTYPE a SYSTEM 'y'><a/>"),
        ("<a>\n<b/></a>", "<a>x<b/></a>"),
    ],
)
def test_what_is_a_value(ours: str, theirs: str) -> None:
    assert diverges(ours, theirs, LABEL)


def test_charsets() -> None:
    text = "<a>é</a>"
    labels = ("text/xml; charset=utf-8", "text/xml; charset=iso-8859-1")
    assert verdicts(text, text.encode("latin-1"), labels[0]) == {("value_changed", "divergent")}
    declared = b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>"
    assert verdicts(text, declared, LABEL) == SPELLING
    assert verdicts(text, text.encode("utf-16"), LABEL) == SPELLING
    assert read(text.encode("latin-1"), labels[1]) == '{"a":{"text":"é"}}'


def test_another_order_of_attributes_is_one_spelling() -> None:
    assert [each[:2] for each in found("<a b='1' c='2'/>", "<a c='2' b='1'/>", LABEL)] == [
        ("spelling", "")
    ]


def test_xml_is_known_by_its_declaration() -> None:
    declaration = "<?xml version='1.0'?>"
    assert found(declaration + "<a>1</a>", declaration + "<a>2</a>", "text/plain") == [
        ("value_changed", "$['a']['text']", '"1"', '"2"')
    ]
    assert found("<a>1</a>", "<a>2</a>", "text/plain")[0][1] == ""


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a "x"><!ENTITY b "&a;&a;">',
        '<!ENTITY a SYSTEM "file:///etc/hostname">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;',
        '<!ATTLIST l k CDATA "x">',
    ],
)
def test_a_document_that_declares_something_is_not_read(declared: str) -> None:
    text = f"<!DOCTYPE l [{declared}]><l>&a;</l>"
    with pytest.raises(UnreadableError):
        read(text)
    ((kind, path, *_),) = found(text, text + "<!-- -->", LABEL)
    assert (kind, path) == ("value_changed", "")


def test_entities_of_a_foreign_document_type_are_not_fetched() -> None:
    text = '<!DOCTYPE l SYSTEM "http://127.0.0.1:9/x.dtd"><l>a&b;c</l>'
    assert read(text).endswith('"l":{"content":["a",{"&":"b"},"c"]}}')


def test_broken_xml_is_compared_as_a_whole() -> None:
    assert [each[:2] for each in found("<a>", "<a/>", LABEL)] == [("value_changed", "")]


def test_list_rules_hold_in_xml() -> None:
    rule = ListRule(path=parse_pattern("$.r.content"), key=("i", "@id"))
    options = CompareOptions(rules={"*": Rules(lists=(rule,))})
    ours = "<r><i id='1'>a</i><i id='2'>b</i></r>"
    theirs = "<r><i id='2'>c</i><i id='1'>a</i></r>"
    assert found(ours, theirs, LABEL, options=options) == [
        ("value_changed", "$['r']['content'][1]['i']['text']", '"b"', '"c"')
    ]


def test_depth_and_size_are_bounded() -> None:
    deep = "<a>" * 10_000, "</a>" * 10_000
    ((kind, path, *values),) = found("x".join(deep), "y".join(deep), LABEL, options=PATIENT)
    assert (kind, values) == ("value_changed", ['"x"', '"y"'])
    assert path.endswith("['content'][0]['a']['text']")
    with pytest.raises(OverBudgetError):
        xml.read(content("x".join(deep), LABEL), meter(9_000))
