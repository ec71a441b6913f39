"""shadow.toml: its tables, where it is found, and how it is read."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from shadow.config.checking import Checker
from shadow.config.lines import located
from shadow.config.tables.around import StateTable
from shadow.config.tables.correlating import CorrelateTable, SessionsTable, ShiftTable
from shadow.config.tables.gating import GuardsTable, PhasesTable, PhaseTable, WebhookTable
from shadow.config.tables.naming import EndpointsTable
from shadow.config.tables.redacting import RedactTable
from shadow.config.tables.resources import ResourcesTable
from shadow.config.tables.rules import AcceptTable, CompareTable, NoiseTable
from shadow.config.tables.safety import SafetyTable
from shadow.config.tables.targets import TargetsTable
from shadow.errors import ConfigError

FILE_NAME: Final = "shadow.toml"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole `shadow.toml`."""

    targets: TargetsTable = TargetsTable()
    endpoints: EndpointsTable = EndpointsTable()
    safety: SafetyTable = SafetyTable()
    compare: CompareTable = CompareTable()
    accept: list[AcceptTable] = []
    noise: NoiseTable = NoiseTable()
    resources: ResourcesTable = ResourcesTable()
    gates: dict[str, PhaseTable] = {}
    phases: PhasesTable = PhasesTable()
    webhook: WebhookTable = WebhookTable()
    guards: GuardsTable = GuardsTable()
    redact: RedactTable = RedactTable()
    sessions: SessionsTable = SessionsTable()
    correlate: list[CorrelateTable] = []
    shift: list[ShiftTable] = []
    state: list[StateTable] = []
    source: str = ""
    """The file it was read from, empty for none (not a key of the file)."""

    def at(self, *place: str | int) -> str:
        """The file and line of a key, for messages: `shadow.toml:12`."""
        try:
            text = Path(self.source).read_text("utf-8")
        except (OSError, ValueError):
            text = ""
        return located(self.source, text, place)


@contextmanager
def named(config: Config, *place: str | int) -> Iterator[None]:
    """Begin the message of a ConfigError with the file and line of the entry that is wrong."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{config.at(*place)}: {error.message}", error.hint) from None


def find(start: Path | None = None) -> Path | None:
    """The nearest `shadow.toml`, from the working directory upward."""
    here = (start or Path.cwd()).resolve()
    return next(
        (folder / FILE_NAME for folder in (here, *here.parents) if (folder / FILE_NAME).is_file()),
        None,
    )


def load(path: str | None = None) -> Config:
    """Read the named file, or the nearest one, or nothing. Raises ConfigError."""
    source = Path(path) if path else find()
    if source is None:
        return Config()
    text = read_text(source)
    return parse(decode(text, source), text=text, source=str(source))


def read_text(path: Path) -> str:
    """The text of a config file. Raises ConfigError."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"cannot read config {path}: {reason}", "check --config") from None


def decode(text: str, path: Path) -> dict[str, Any]:
    """The tables of a config file. Raises ConfigError."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}", "fix the TOML at that place") from None


def parse(
    data: dict[str, Any], *, text: str = "", source: str = FILE_NAME, expand: bool = True
) -> Config:
    """Check a decoded file: unknown keys, types, and `${VAR}` unless told not to `expand` them.

    Raises ConfigError.
    """
    checker = Checker(Config, text, source)
    checker.check(data, Config, ())
    checker.refuse_secret(data)
    expanded = checker.expand(data, ()) if expand else data
    try:
        config = msgspec.convert({**expanded, "source": source}, Config)
    except msgspec.ValidationError as error:
        raise checker.refusal(str(error)) from None
    checker.refuse_infinite(data, ())
    return config
