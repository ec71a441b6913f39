"""Compares two bodies: bytes first, then by what they are."""

from __future__ import annotations

import time
from typing import Final

from shadow.compare import encodings
from shadow.compare.codecs import BINARY, codec_of, html, json, ndjson, text, whole
from shadow.compare.codecs.content import Content, MessageType, content_of
from shadow.compare.codecs.recognise import Body, recognise
from shadow.compare.codecs.values import Meter, Tree
from shadow.compare.difference import Difference
from shadow.compare.json_text import Document
from shadow.compare.rules import Rules
from shadow.compare.walk import Budget, walk
from shadow.model import Response, header_values

_SPACE: Final = b" \t\r\n"


def compare_bodies(
    baseline: Response,
    candidate: Response,
    rules: Rules,
    budget: Budget,
    *,
    bound: int,
    message: MessageType | None = None,
) -> list[Difference]:
    """Every difference of two bodies; none when the decoded bytes are equal.

    `bound` is the bytes a body may have after content-decoding, `message` what a Protobuf body
    of the endpoint is.
    """
    ours, theirs = decoded(baseline, bound), decoded(candidate, bound)
    if isinstance(ours, str) or isinstance(theirs, str):
        same = ours == theirs and baseline.body == candidate.body
        over = isinstance(ours, OverBound) or isinstance(theirs, OverBound)
        return [] if same else [whole.undecodable(ours, theirs, unfinished=over)]
    if ours == theirs:
        return []
    contents = content_of(baseline, ours, message), content_of(candidate, theirs, message)
    outside = _outside(*contents)
    if outside is not None:
        return [outside]
    if max(len(ours), len(theirs)) > budget.octets:
        return [whole.over_size(ours, theirs)]
    return _contents(baseline, candidate, contents, rules, budget)


def _contents(
    baseline: Response,
    candidate: Response,
    contents: tuple[Content, Content],
    rules: Rules,
    budget: Budget,
) -> list[Difference]:
    """Every difference of two bodies by what they are."""
    deadline = time.perf_counter() + budget.seconds
    # An error page against a result is one difference, not one for every field.
    by_format = baseline.status // 100 == candidate.status // 100
    left, right = (
        recognise(content, Meter(budget.nodes, deadline), trees=by_format) for content in contents
    )
    found = None
    if by_format:
        if left.over_budget or right.over_budget:
            return [whole.over_budget(left, right)]
        if left.kind == right.kind:
            found = _by_format(left, right, rules, budget, errors=baseline.status >= 400)
    if found is not None:
        return found
    # Where a body was not read to its end, it may turn out to be of another format.
    unfinished = bool(left.over_budget or right.over_budget)
    return [whole.whole(left, right, unfinished=unfinished)]


class OverBound(str):
    """Why there is no body: it has more bytes than it may have."""

    __slots__ = ()


def decoded(response: Response, bound: int) -> bytes | str:
    """The body after content-decoding, or why there is none (text)."""
    codings = header_values(response.headers, "content-encoding")
    if response.decoded or not codings:
        return response.body
    try:
        return encodings.decode(response.body, codings, bound)
    except encodings.OverBoundError as error:
        return OverBound(error)
    except encodings.UndecodableError as error:
        return str(error)


def _outside(left: Content, right: Content) -> Difference | None:
    """A difference that stands before or after the body proper."""
    if left.data.startswith(whole.BOM) != right.data.startswith(whole.BOM):
        return whole.one_has_a_bom(left.data, right.data)
    alike = left.data.rstrip(_SPACE) == right.data.rstrip(_SPACE)
    codecs = (codec_of(left), codec_of(right))
    if alike and None in codecs and not any(codec in BINARY for codec in codecs):
        return whole.trailing(left, right)
    return None


def _by_format(
    left: Body, right: Body, rules: Rules, budget: Budget, *, errors: bool
) -> list[Difference] | None:
    """The differences of two bodies of one format; None where only the whole can be told.

    `errors`: both answers are errors, of which a page or a text is one message.
    """
    if left.document is not None and right.document is not None:
        if left.document.text == right.document.text:
            return [whole.spelled(left, right)]
        return json.compare(left.document, right.document, rules, budget)
    if left.text is not None and right.text is not None:
        if left.kind == ndjson.name:
            records = ndjson.records(left.text.text, right.text.text)
            return json.compare(*records, rules, budget) if records else None
        return _texts(left, right, rules, budget, errors=errors)
    if left.tree is None or right.tree is None or (errors and left.kind == html.name):
        return None
    return walk(*_documents(left.tree, right.tree), rules, budget) or [whole.spelled(left, right)]


def _texts(
    left: Body, right: Body, rules: Rules, budget: Budget, *, errors: bool
) -> list[Difference] | None:
    """Line by line where both have more than one; None where they are to be told as wholes."""
    ours, theirs = left.text, right.text
    assert ours is not None
    assert theirs is not None
    if ours.guessed != theirs.guessed:
        return None
    if ours.text == theirs.text:
        return [whole.spelled(left, right)]
    if errors or ours.is_one_line or theirs.is_one_line:
        return None
    trees = Tree(value=ours.lines), Tree(value=theirs.lines)
    ends = text.line_ends(ours, theirs)
    return walk(*_documents(*trees), rules, budget) + ([ends] if ends else [])


def _documents(left: Tree, right: Tree) -> tuple[Document, Document]:
    """Two trees for the walk, with texts that say only that the two are not spelled alike."""
    return (
        Document(text="baseline", value=left.value, repeats=left.repeats),
        Document(text="candidate", value=right.value, repeats=right.repeats),
    )
