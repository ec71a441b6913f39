"""Records to tally and to store, made by hand and by hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import pytest
from hypothesis import strategies as st

from shadow.model import Divergence, Outcome, Severity, Verdict
from shadow.results.record import COMPARED, Record, Seen
from shadow.results.runs import RunInfo, Side
from shadow.results.store import Store
from tests.postgres import Postgres, needs_postgres

Option = TypeVar("Option")
RecordLists = st.SearchStrategy[list[Record]]

SIDES: list[Literal["baseline"] | None] = [None, "baseline"]
VERDICTS: list[Verdict] = ["divergent", "noise", "accepted", "equivalent"]
SEVERITIES: list[Severity] = ["breaking", "risky", "benign"]
ENDPOINTS = ["GET /a", "GET /b/{id}", "POST /c", "PUT /d", "GET /e"]
PLACES = ["$['a']", "$['b']", "$['c'][*]"]
TEXTS = [None, "", "1.0", '"é\u2028😀"', "\x00\x1b[31m", "' -- \"\\"]
MICROSECONDS = [None, 0, 1, 2047, 2049, 90_000, 10_000_000_000]


class Choices:
    """Choices taken from bytes: hypothesis draws once a record, and still shrinks."""

    def __init__(self, source: bytes) -> None:
        self._bytes = iter(source)

    def one(self, options: Sequence[Option]) -> Option:
        return options[next(self._bytes) % len(options)]

    def seen(self) -> Seen | None:
        service, response = self.one(MICROSECONDS), self.one(MICROSECONDS)
        status = self.one([200, 404, None, 0])
        if status == 0:
            return None
        no_answer = "timeout" if status is None else None
        return Seen(status=status, no_answer=no_answer, service_us=service, response_us=response)

    def divergence(self, endpoint: str) -> Divergence:
        place, verdict = self.one(PLACES), self.one(VERDICTS)
        return Divergence(
            where="body",
            kind="value_changed",
            path=place.replace("*", self.one("0123")),
            path_pattern=place,
            signature=f"{ENDPOINTS.index(endpoint):08x}{PLACES.index(place):08x}",
            baseline=self.one(TEXTS),
            candidate=self.one(TEXTS),
            class_id=self.one([None, "html-escape", "nil-slice-null"]),
            severity=self.one(SEVERITIES),
            verdict=verdict,
            rule=None if verdict == "divergent" else self.one(["class:a", "accept:b"]),
            wrong_side=self.one(SIDES),
            unstable=self.one([False, True]),
        )

    def record(self, seq: int) -> Record:
        endpoint, outcome = self.one(ENDPOINTS), self.one(list(Outcome))
        judged = outcome in COMPARED
        count = self.one([0, 1, 2, 3]) if judged else 0
        return Record(
            seq=seq,
            exchange_id=f"x{seq}",
            session=self.one(TEXTS),
            endpoint=endpoint,
            method=endpoint.split()[0],
            target=endpoint.split()[1],
            outcome=outcome,
            reason="" if judged else self.one(["write", "timeout", "unpaired"]),
            hollow=judged and self.one([False, True]),
            baseline=self.seen(),
            candidate=self.seen(),
            divergences=tuple(self.divergence(endpoint) for _ in range(count)),
            spellings=self.one([(), ("header-order",), ("header-order", "header-name-case")]),
        )


@st.composite
def lists_of_records(draw: st.DrawFn) -> list[Record]:
    sources = draw(st.lists(st.binary(min_size=50, max_size=50), max_size=8))
    return [Choices(source).record(seq) for seq, source in enumerate(sources)]


@pytest.fixture(scope="session")
def record_lists() -> RecordLists:
    """Runs of up to eight exchanges."""
    return lists_of_records()


@pytest.fixture(scope="session")
def make_divergence() -> Callable[..., Divergence]:
    def make(signature: str = "a" * 16, **fields: object) -> Divergence:
        given = {
            "where": "body",
            "kind": "value_changed",
            "path": "$['a']",
            "path_pattern": "$['a']",
            "baseline": "1",
            "candidate": "2",
            **fields,
        }
        return Divergence(signature=signature, **given)  # type: ignore[arg-type]  # a test's own

    return make


@pytest.fixture(scope="session")
def make_record() -> Callable[..., Record]:
    def make(seq: int = 0, *divergences: Divergence, **fields: object) -> Record:
        given = {
            "exchange_id": f"x{seq}",
            "endpoint": "GET /a",
            "method": "GET",
            "target": "/a",
            "outcome": Outcome.DIVERGENT if divergences else Outcome.EQUIVALENT,
            "baseline": Seen(status=200, service_us=1000, response_us=1100),
            "candidate": Seen(status=200, service_us=800, response_us=900),
            **fields,
        }
        return Record(seq=seq, divergences=divergences, **given)  # type: ignore[arg-type]  # as above

    return make


@pytest.fixture(scope="session")
def info() -> RunInfo:
    return RunInfo(
        command="replay",
        captures=("prod.jsonl",),
        digest="d1",
        baseline=Side(name="go", url="http://127.0.0.1:8080"),
        candidate=Side(name="rust", url="http://127.0.0.1:8081"),
        options={"rate": 100},
        versions={"shadow": "0.1.0"},
    )


@pytest.fixture(scope="session")
def database(postgres: Postgres) -> str:
    """A store on PostgreSQL that tests use one after the other."""
    url = postgres.database()
    Store.open(url).close()
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty store is, or is made when it is opened: in a file, then in a server."""
    if request.param == "sqlite":
        yield str(tmp_path / "s.sqlite")
        return
    url: str = request.getfixturevalue("database")
    yield url
    server: Postgres = request.getfixturevalue("postgres")
    server.empty(url)


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    with Store.open(where) as opened:
        yield opened


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Store]:
    """A store in a file, for what is the same in a server."""
    with Store.open(tmp_path / "s.sqlite") as opened:
        yield opened


@pytest.fixture(scope="session")
def execute() -> Callable[[Store, str], None]:
    """Run a statement in a store behind its back."""

    def run(store: Store, statement: str) -> None:
        with store._engine.execution_options(writes=True).begin() as connection:
            connection.exec_driver_sql(statement)

    return run
