"""A store in a PostgreSQL database, which several machines may share.

Its tables are in the schema `shadow` of the database. SQLite lets one writer in at a time; here
those writers wait for each other that are about the same thing, on an advisory lock that ends
with the transaction (https://www.postgresql.org/docs/current/explicit-locking.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shadow.errors import ShadowError, UnfinishedError
from shadow.printable import printable
from shadow.results.tables import SCHEMA_VERSION, metadata

if TYPE_CHECKING:
    import psycopg

SCHEMA: Final = "shadow"
"""The schema of the database that holds the tables, and nothing else."""
CONNECT_S: Final = 5
"""How long a server is waited for."""
LOCK_MS: Final = 5_000
"""How long a writer waits for another one."""
STATEMENT_MS: Final = 8_000
"""How long one statement may take, as the server sees it."""
IDLE_MS: Final = 20_000
"""After this the server ends a transaction whose process says nothing more."""

_CONNECTIONS: Final = 5
_MORE_CONNECTIONS: Final = 27  # as many threads as asyncio.to_thread starts may ask at once
_DEFAULTS: Final = {
    "connect_timeout": CONNECT_S,
    "fallback_application_name": "shadow",
    "keepalives_idle": 10,  # a host that is gone is noticed in some 20 s, and writing to it in 10
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_TIMEOUTS: Final = (
    f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={LOCK_MS}"
    f" -c idle_in_transaction_session_timeout={IDLE_MS}"
)
_HOST: Final = r"(?:[\w.%-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?"
_URL: Final = re.compile(
    r"postgres(?:ql)?(?:\+psycopg)?://"
    r"(?:(?P<user>[^:@/?#]*)(?::[^@/?#]*)?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)"
    r"(?:/(?P<database>[^@/?#]*))?(?P<query>\?.*)?",
    re.DOTALL,
)
_URL_HINT: Final = (
    "it is postgresql://USER@HOST:PORT/DATABASE; the password goes into PGPASSWORD or ~/.pgpass,"
    " or behind the user with %40 for @ and %2F for /"
)


@dataclass(frozen=True, slots=True)
class Server:
    """A database of a PostgreSQL server. As text it has no password."""

    url: str = field(repr=False)
    """As libpq takes it, with a password where one was given."""
    shown: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Read a URL. Raise ShadowError, which repeats nothing of it, where it is none."""
        found = _URL.fullmatch(url)
        if found is None or not url.isprintable():
            raise ShadowError("--store postgresql://…: not a URL of PostgreSQL", _URL_HINT)
        user = f"{found['user']}@" if found["user"] else ""
        database = f"/{found['database']}" if found["database"] else ""
        plain = "postgresql" + url[url.index("://") :]
        return cls(plain, f"postgresql://{user}{found['hosts']}{database}")

    def __str__(self) -> str:
        return self.shown


def driver(server: Server) -> ModuleType:
    """Return psycopg. Raise ShadowError where it is not installed."""
    try:
        import psycopg  # noqa: PLC0415 - an extra, and only for those who use it
    except ImportError:
        raise ShadowError(
            f"store {server}: needs the driver psycopg, which is not installed",
            "pip install 'shadow-traffic[postgres]'",
        ) from None
    return psycopg


def parameters(server: Server) -> dict[str, Any]:
    """Return what psycopg connects with; what the URL says comes first.

    Raise ShadowError where the URL has parameters that PostgreSQL does not know.
    """
    psycopg = driver(server)
    try:
        given = psycopg.conninfo.conninfo_to_dict(server.url)
    except psycopg.Error as error:
        raise ShadowError(f"store {server}: {_said(error)}", _URL_HINT) from None
    options = f"{_TIMEOUTS} {given.get('options', '')} -c search_path={SCHEMA}"
    return {**_DEFAULTS, **given, "options": options, "client_encoding": "utf8"}


def connect(server: Server, *, autocommit: bool = True) -> psycopg.Connection[Any]:
    """Open a connection; with `autocommit` each statement on it is a transaction."""
    given = parameters(server)
    from shadow.results.patience import ImpatientConnection  # noqa: PLC0415 - imports psycopg

    return ImpatientConnection.connect(**given, autocommit=autocommit)


def open_server(server: Server, *, create: bool) -> Engine:
    """Open the store in a database; make its tables where `create` allows.

    Raise ShadowError where there is none (unless `create`), or one of a newer version, or
    where the database cannot be used, UnfinishedError where the server cannot be reached.
    """
    parameters(server)  # what is wrong with the URL is told first, and that there is no driver
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(server, autocommit=False),  # so that it knows no password
        use_native_hstore=False,
        pool_pre_ping=True,  # a server that was started again is found at once
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        pool_timeout=CONNECT_S,
    )
    try:
        with translated(server), engine.connect() as connection, connection.begin():
            _check_schema(connection, server, create=create)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _check_schema(connection: Connection, server: Server, *, create: bool) -> None:
    if create:
        take_turn(connection, "schema")  # several may start at once
    if connection.scalar(text(f"SELECT to_regclass('{SCHEMA}.store') IS NULL")):
        if not create:
            raise ShadowError(
                f"store {server}: does not exist", "record a run first: shadow replay"
            )
        _make_schema(connection, server)
        return
    version = connection.scalar(text(f"SELECT max(version) FROM {SCHEMA}.store"))  # noqa: S608 - a constant
    if version is None or version > SCHEMA_VERSION:
        raise ShadowError(
            f"store {server}: written by a newer shadow (store version {version},"
            f" this one reads {SCHEMA_VERSION})",
            "upgrade shadow, or name another database with --store",
        )
    if create:
        metadata.create_all(connection)  # tables that a later release of the version added


def _make_schema(connection: Connection, server: Server) -> None:
    tables, is_there, encoding = connection.execute(
        text(
            "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(:name)),"
            " to_regnamespace(:name) IS NOT NULL, current_setting('server_encoding')"
        ),
        {"name": SCHEMA},
    ).one()
    if tables:
        raise ShadowError(
            f"store {server}: its schema {SCHEMA} is not one of shadow's",
            "name another database with --store",
        )
    if encoding != "UTF8":
        raise ShadowError(
            f"store {server}: its encoding is {encoding}, which has not every character",
            "make one with: createdb --encoding UTF8 --template template0 NAME",
        )
    if not is_there:  # who may not make a schema may have been given one
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    metadata.create_all(connection, checkfirst=False)
    connection.execute(text(f"CREATE TABLE {SCHEMA}.store (version BIGINT NOT NULL)"))
    connection.execute(
        text(f"INSERT INTO {SCHEMA}.store (version) VALUES (:version)"),  # noqa: S608 - a constant
        {"version": SCHEMA_VERSION},
    )


def lock_key(about: str) -> int:
    """Return the number of the advisory lock on something: 64 bits, signed."""
    return int.from_bytes(blake2b(f"shadow {about}".encode(), digest_size=8).digest(), signed=True)


def take_turn(connection: Connection, about: str, *, shared: bool = False) -> None:
    """Wait until no other transaction writes about the same thing.

    Those that are `shared` do not wait for each other.
    """
    function = f"pg_advisory_xact_lock{'_shared' if shared else ''}"
    connection.execute(text(f"SELECT {function}(:key)"), {"key": lock_key(about)})


@contextmanager
def translated(server: Server) -> Iterator[None]:
    """Turn PostgreSQL's errors into ShadowError, or UnfinishedError where a run cannot go on."""
    psycopg = driver(server)
    try:
        yield
    except PoolTimeout:
        raise UnfinishedError(
            f"store {server}: too many threads of this process ask it at once", "ask less at once"
        ) from None
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        raise _meaning(server, error.orig) from None
    except psycopg.Error as error:
        raise _meaning(server, error) from None


_REFUSED: Final = re.compile(
    r"password|authentication|pg_hba|role \"|database \".*\" does not exist|permission denied"
    r"|certificate|not support SSL"
)
"""What in the words of a server, which has no code for it before it lets somebody in, says that
the URL is wrong. A server that speaks another language is taken to be out of reach."""


class _Meaning(NamedTuple):
    codes: tuple[str, ...]
    """SQLSTATEs, or their beginnings (PostgreSQL's manual, appendix A)."""
    kind: type[ShadowError]
    message: str
    hint: str


_OUT_OF_REACH: Final = _Meaning(
    ("08", "57P", "53300"),
    UnfinishedError,
    "cannot be reached: {said}",
    "is the server up, and --store its URL?",
)
_NOT_LET_IN: Final = _Meaning(
    ("28",),
    ShadowError,
    "does not let us in: {said}",
    "check user, password (PGPASSWORD or ~/.pgpass) and database of --store",
)
_MEANINGS: Final = (
    _NOT_LET_IN,
    _Meaning(
        ("53100", "53200", "53400", "58030"),
        UnfinishedError,
        "cannot be written: {said}",
        "free some space there, then go on; what was stored before is kept",
    ),
    _Meaning(
        ("55P03", "40001", "40P01", "25P03", "25P04"),
        UnfinishedError,
        f"held by another process for {LOCK_MS // 1000} s: {{said}}",
        "end the other process, or try again",
    ),
    _Meaning(
        ("57014",),
        UnfinishedError,
        f"gave no answer in {STATEMENT_MS // 1000} s: {{said}}",
        "look at the load of the server, then try again",
    ),
    _Meaning(
        ("23505",),
        ShadowError,
        "an exchange of this run is already stored",
        "end any other process that writes to the same run, then replay again",
    ),
    _Meaning(
        ("42501", "25006"),
        ShadowError,
        "does not allow it: {said}",
        f"let its user own the schema {SCHEMA}, on a server that takes writes",
    ),
    _Meaning(
        ("42P01", "42703", "3F000"),
        ShadowError,
        "no store of shadow, or a damaged one: {said}",
        "name another database with --store",
    ),
    _OUT_OF_REACH,
    _Meaning(("",), ShadowError, "{said}", "name another database with --store"),
)


def _meaning(server: Server, error: psycopg.Error) -> ShadowError:
    code, said = error.sqlstate or "", _said(error)
    if code:
        found = next(each for each in _MEANINGS if code.startswith(each.codes))
    else:
        found = _NOT_LET_IN if _REFUSED.search(said) else _OUT_OF_REACH
    return found.kind(f"store {server}: {found.message.format(said=said)}", found.hint)


def _said(error: psycopg.Error) -> str:
    """What the server or the driver says, on one line; details, which may hold values, go."""
    said = error.diag.message_primary or str(error)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    line = next((each for each in lines if "FATAL" in each), lines[0] if lines else "no reason")
    line = line.rpartition(" failed: ")[2].removeprefix("FATAL:").strip()  # whereto, we know
    return printable(line[:300])
