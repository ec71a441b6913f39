from __future__ import annotations

from shadow.fuzzing import seeds
from shadow.fuzzing.seeds import Seeds, digest
from shadow.model import Exchange, Request, Response


def exchange(target: str, *, status: int = 200, body: bytes = b"", name: str = "x") -> Exchange:
    return Exchange(
        id=name,
        request=Request(method="GET", target=target, body=body),
        response=Response(status=status, body=b"secret"),
        session="s",
    )


def of(*exchanges: Exchange) -> list[list[str]]:
    found = Seeds(lambda request: request.target.partition("?")[0])
    for each in exchanges:
        found.see(each)
    return [[each.request.target for each in group] for group in found.groups()]


def test_one_of_each_shape_and_status() -> None:
    assert of(
        exchange("/a?x=1"),
        exchange("/b"),
        exchange("/a?x=2"),
        exchange("/a?y=1"),
        exchange("/a?x=3", status=404),
    ) == [["/a?x=1", "/a?y=1", "/a?x=3"], ["/b"]]


def test_bounds() -> None:
    many = [exchange(f"/a?p{n}=1") for n in range(2 * seeds.PER_ENDPOINT)]
    assert len(of(*many)[0]) == seeds.PER_ENDPOINT
    assert len(of(*(exchange(f"/{n}") for n in range(500)))) == seeds.MAX_ENDPOINTS
    assert of(exchange("/a", body=b"x" * (seeds.MAX_BODY + 1))) == []
    cut = Exchange(id="x", request=Request(method="POST", target="/a", truncated=True))
    assert of(cut) == []


def test_of_the_answer_only_the_status_is_kept() -> None:
    found = Seeds(lambda _: "")
    found.see(exchange("/a"))
    ((kept,),) = found.groups()
    assert (kept.response, kept.session) == (Response(status=200), None)


def test_a_digest_is_of_the_requests_alone() -> None:
    one = [[exchange("/a", name="1")]]
    assert digest(one) == digest([[exchange("/a", name="2", status=404)]])
    assert digest(one) != digest([[exchange("/b")]])
