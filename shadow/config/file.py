"""shadow.toml: its tables, where it is found, and what is wrong with one."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from shadow.config.lines import Place, line_of, told
from shadow.errors import ConfigError

FILE_NAME: Final = "shadow.toml"
_SECRETS: Final[tuple[Place, ...]] = (
    ("webhook", "secret"),
    *(
        ("targets", side, *keys)
        for side in ("baseline", "candidate")
        for keys in (("auth", "oauth", "client_secret"), ("database",))
    ),
)
"""Keys whose values come from the environment."""
_FROM_ENVIRONMENT: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


class VersionTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets.*] version`: where the service says its version, asked once before a run."""

    path: str | None = None
    """What is asked for, `/version`: the member `version` of its JSON, or its first line."""
    header: str | None = None
    """Take this header of the answer instead; of `/` where no path is given."""


class OAuthTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets.*.auth.oauth]`: OAuth 2.0 client credentials."""

    token_url: str
    """Where tokens are given out."""
    client_id: str
    """Who asks for them."""
    client_secret: str
    """From the environment: `${CLIENT_SECRET}`."""
    scope: str = ""
    """What they are for, names with spaces between."""


class AuthTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets.*.auth]`: credentials that are fetched, and renewed before they expire.

    One of `command` and `oauth`; what stands in the environment goes into `headers`.
    """

    command: list[str] = []
    """Command that prints a token, without a shell; it runs with `--allow-commands` only."""
    oauth: OAuthTable | None = None
    header: str = "Authorization"
    """Header that is set, in the place of a recorded one."""
    prefix: str = "Bearer "
    """What stands before the token."""
    ttl_s: Annotated[float, msgspec.Meta(ge=10)] = 3000.0
    """Seconds after which a token that does not say so expires."""


class HooksTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets.*.hooks]`: what is done to the service around a run.

    Each is a request to the service, `"POST /admin/reset"`, or a command without a shell,
    `["./seed.sh", "go"]`, which runs with `--allow-commands` only.
    """

    reset: str | list[str] | None = None
    """Puts the data back: before a run that sends writes, and before each try of
    `repro --minimise`."""
    before_run: str | list[str] | None = None
    """Once before the first request, after `reset`."""
    before_session: str | list[str] | None = None
    """Before the first request of each session."""
    after_run: str | list[str] | None = None
    """Once after the last request, however the run ends."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0
    """Seconds that each may take."""


class TargetTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets.baseline]` and `[targets.candidate]`: where a service is and how to ask it."""

    name: str | None = None
    """Label in events and reports; `go` and `rust` unless given."""
    url: str | None = None
    """Scheme, host and port, like `http://127.0.0.1:8080`."""
    headers: dict[str, str] = {}
    """Headers set on every request to this side; `${VAR}` reads the environment."""
    keep_host: bool = False
    """Send the recorded `Host` instead of the target's own."""
    host: str | None = None
    """Send this as the `Host`."""
    drop_headers: list[str] = []
    """Recorded header fields that this side is not sent."""
    paths: dict[str, str] = {}
    """Beginnings of paths and what stands in their place, `{ "/v1/" = "/api/v1/" }`; the first
    that fits counts. Endpoints keep the names of the recorded paths."""
    set_query: dict[str, str] = {}
    """Query parameters to set; `${VAR}` reads the environment."""
    drop_query: list[str] = []
    """Query parameters that this side is not sent."""
    verify_tls: bool = True
    """Check the certificate of an https target."""
    resources: str | None = None
    """Where CPU and memory of the service are read through a run: `auto` (the process behind its
    port, on this machine), `pid:123`, `cgroup:/sys/fs/cgroup/…` or `prom:http://…/metrics`."""
    http2: bool = False
    """Speak HTTP/2 only; over `http://` without asking. Needs the extra `http2`."""
    proxy: str | None = None
    """Go through this proxy, `http://user:${PASSWORD}@127.0.0.1:3128`; `https://` works too."""
    version: VersionTable | None = None
    """Where the service says its version; `--go-version` and `--rust-version` win over it."""
    toolchain: str | None = None
    """What it was built with, `go1.23`; kept with each run."""
    lockfile: str | None = None
    """File that pins its dependencies, `Cargo.lock`, from the folder of this file."""
    isolated: bool = False
    """Nothing that is written to this service matters to anybody. A replay sends writes where both
    sides are and their URLs stand in this file; `proxy` and `sink` send writes (`--allow-writes`)
    to a candidate only where it is; `fuzz` asks only where both are."""
    auth: AuthTable | None = None
    """Credentials that a replay fetches and renews."""
    hooks: HooksTable = HooksTable()
    database: str | None = None
    """SQLAlchemy URL that `[[state]] sql` reads, from the environment: `${GO_DATABASE}`."""


class TargetsTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets]`: the two services."""

    baseline: TargetTable = TargetTable()
    candidate: TargetTable = TargetTable()


class EndpointsTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[endpoints]`: how requests are grouped."""

    templates: list[str] = []
    """Templates like `GET /v1/items/{id}`; others are inferred from the target."""
    openapi: str | None = None
    """OpenAPI document whose operations are templates too, from the folder of this file."""
    owners: dict[str, str] = {}
    """Team responsible for an endpoint, shown in findings."""
    files: dict[str, str] = {}
    """Source file of an endpoint, `src/items.rs` or `src/items.rs:120`, in the repository: where
    annotations, SARIF and Code Quality reports point to. `*` stands for every other endpoint."""


class SafetyTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[safety]`: what may be sent where."""

    reads: list[str] = []
    """Endpoints with other methods than GET, HEAD and OPTIONS that only read."""
    never: list[str] = []
    """Hosts that must never be a target: names, `*.prod.example.com`, addresses, `10.0.0.0/8`."""
    max_errors: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """A replay stops when more exchanges than this failed; as `--max-errors`."""
    max_error_share: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """It stops when a larger share of the last 200 failed; as `--max-error-share`."""
    max_latency: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """It stops when the median time of a service is longer, in ms; as `--max-latency`."""


class ListTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[compare.lists]]`: how the items of a list are matched."""

    endpoint: str = "*"
    """Endpoint, or `*` for every one."""
    path: str
    """RFC 9535 path of the list, `$.items`."""
    key: str | None = None
    """Match items by this member, `id` or nested `meta.id`."""
    unordered: bool = False
    """Match equal items wherever they stand."""


class ToleranceTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[compare.tolerances]]`: how far apart two values may be."""

    endpoint: str = "*"
    """Endpoint, or `*` for every one."""
    path: str
    """RFC 9535 path of the value, `$.items[*].score`."""
    absolute: float | None = None
    """Largest difference, in the value's unit."""
    relative: float | None = None
    """Largest difference as a share of the baseline's value."""
    ulp: int | None = None
    """Largest difference in steps of a double."""
    seconds: float | None = None
    """Largest difference of two RFC 3339 times."""


class ClassTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[compare.classes]]`: another policy for a class than its own."""

    id: str
    """Class id; `shadow explain` lists them."""
    policy: Literal["fail", "allow"]
    """Whether a divergence of the class fails the exchange."""
    endpoint: str = "*"
    """Endpoint, or `*` for every one."""


class AcceptTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[accept]]`: a divergence that somebody takes responsibility for, until a date.

    At least one condition is given, and all that are given must hold.
    """

    reason: str
    """Why it does no harm."""
    owner: str
    """The team or person who says so."""
    expires: date
    """The last day on which the rule holds; afterwards it fails the run."""
    id: str | None = msgspec.field(default=None, name="class")
    """Condition: the class."""
    signature: str | None = None
    """Condition: the signature of the finding."""
    endpoint: str | None = None
    """Condition: the endpoint."""
    path: str | None = None
    """Condition: the whole RFC 9535 path in the body, `$.items[*].price`."""
    header: str | None = None
    """Condition: the header, in lower case; `set-cookie/NAME` for a cookie."""
    kind: str | None = None
    """Condition: the kind of difference, `value_changed`."""
    baseline: str | None = None
    """Condition: a shell pattern for the baseline's whole value; `*` is any text."""
    candidate: str | None = None
    """Condition: the same for the candidate's value."""
    verdict: Literal["accepted", "go-is-wrong"] = "accepted"
    """`go-is-wrong` lists it apart: the baseline has the bug."""


class NoiseTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[noise]`: what is known of the baseline's noise."""

    profile: str | None = None
    """File that `shadow noise learn` wrote."""


class ProtobufTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[compare.protobuf]]`: the message that an endpoint answers with, compared by field."""

    endpoint: str = "*"
    """Endpoint, or `*` for every one."""
    descriptor_set: str
    """File that `protoc --include_imports --descriptor_set_out` wrote."""
    message: str
    """Full name of the message, `shop.v1.Item`."""


class CompareTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[compare]`: comparing rules by endpoint and path."""

    lists: list[ListTable] = []
    tolerances: list[ToleranceTable] = []
    classes: list[ClassTable] = []
    protobuf: list[ProtobufTable] = []


class ResourcesTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[resources]`: how the CPU and memory of both services are read, and what they cost."""

    idle_s: float = 0.0
    """Seconds before the first request in which it is measured what the services use when idle,
    which is then taken off."""
    core_hour: float | None = None
    """Price of a core for an hour, in any currency; with `gib_hour`, costs are shown."""
    gib_hour: float | None = None
    """Price of a GiB of memory for an hour, in the same currency."""


Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Rate = Annotated[float, msgspec.Meta(gt=0, lt=1)]  # no number of exchanges proves a rate of 0
Factor = Annotated[float, msgspec.Meta(gt=0, le=1000)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Number = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Milliseconds = Annotated[float, msgspec.Meta(gt=0, le=3_600_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=60)]


class LatencyTable(msgspec.Struct, frozen=True, kw_only=True):
    """`max_latency_ratio`: bounds on percentiles of the service time, candidate ÷ baseline."""

    p50: Factor | None = None
    """Median; takes 120 exchanges of each endpoint."""
    p90: Factor | None = None
    """Nine of ten; takes 120 exchanges."""
    p99: Factor | None = None
    """The slowest of a hundred; takes 388 exchanges."""


class PhaseTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[gates.PHASE]`: what a run must show before the phase may be left."""

    max_divergence_rate: Rate | None = None
    """Divergent exchanges among the compared ones, above 0: 0.001 is one in a thousand."""
    max_error_rate: Rate | None = None
    """Exchanges that the candidate failed (no answer, 5xx) and the baseline did not."""
    max_latency_ratio: LatencyTable = LatencyTable()
    """Bounds on percentiles of the service time; 1.10 allows 10 % more."""
    max_jitter_ratio: Factor | None = None
    """p99 less p50 of the response time, candidate ÷ baseline."""
    max_cpu_ratio: Factor | None = None
    """CPU time per request, candidate ÷ baseline."""
    max_memory_ratio: Factor | None = None
    """Peak of memory, candidate ÷ baseline."""
    max_accepted_rules: Number | None = None
    """`[[accept]]` entries that may still be open."""
    owners_required: bool = False
    """Every endpoint that was compared needs a team in `[endpoints] owners`."""
    no_new_since: str | None = None
    """No finding that this run did not have; `previous` is the last one of the same capture."""
    min_exchanges: Count | None = None
    """Compared exchanges in all; by default what the bounds on rates take."""
    min_exchanges_per_endpoint: Count | None = None
    """Compared exchanges of an endpoint; by default what the bounds on latency take."""
    min_coverage: Share | None = None
    """Share of the endpoints with at least that many; by default all of them."""
    max_incomparable: Share = 0.05
    """Share of what was sent that may be incomparable before a run is no evidence."""
    max_hollow: Share = 0.05
    """The same for hollow exchanges."""


class PhasesTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[phases]`: the way of the rollout."""

    order: list[str] = []
    """The phases, first to last; by default the `[gates]` in the order of the file."""


class WebhookTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[webhook]`: who is told of a gate's verdict, a decision on a phase, a rollback."""

    url: str | None = None
    """Where the message goes, as a POST."""
    secret: str | None = None
    """What it is signed with, from the environment: `${SHADOW_WEBHOOK_SECRET}`."""
    timeout_s: Seconds = 10.0
    """Seconds that one attempt may take."""


class GuardsTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[guards]`: what sends a route back to Go while traffic is live."""

    max_divergence_rate: Rate = 0.001
    """The share of compared exchanges that may diverge; evidence of a higher one trips."""
    alpha: Rate = 0.05
    """The probability that a candidate which keeps to it is sent back all the same, within
    `horizon` exchanges, all guards and endpoints together."""
    horizon: Count = 1_000_000
    """Exchanges that `alpha` is for."""
    errors: bool = True
    """Watch which side fails (5xx or no answer) where the other does not."""
    latency_objective_ms: Milliseconds | None = None
    """Watch which side is slower than this where the other is not; in milliseconds."""
    latency_ms: dict[str, Milliseconds] = {}
    """The same for single endpoints: `{ "GET /v1/items" = 50 }`."""


class RedactRuleTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[redact.rules]]`: one thing that is redacted, and how. It names exactly one."""

    header: str | None = None
    """A header field."""
    cookie: str | None = None
    """A cookie; its case counts."""
    query: str | None = None
    """A query parameter."""
    form: str | None = None
    """A field of urlencoded bodies."""
    json: str | None = None
    """A member of JSON bodies: `pin` anywhere, or `$.user.pin`, `$.cards[*].pan`."""
    pattern: str | None = None
    """A regular expression in the syntax of RE2; of one with a group, what the group matches."""
    detect: str | None = None
    """A detector, `email`; `docs/howto/redaction.md` lists them."""
    action: Literal["hash", "mask", "drop"] = "hash"
    """A keyed hash, the same for the same value; always the same mask; or nothing."""
    keep_format: bool = False
    """The hash of an e-mail address, card number, telephone number, IBAN, IP address or UUID is
    one as well."""


class RedactTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[redact]`: what is taken out before anything is kept, besides credentials.

    Authorization, Proxy-Authorization, Cookie, Set-Cookie, everything whose name looks like a
    secret, and what looks like a token or a card number always go.
    """

    headers: list[str] = []
    """Header fields, whole."""
    query: list[str] = []
    """Query parameters."""
    form: list[str] = []
    """Fields of urlencoded bodies."""
    json: list[str] = []
    """Members of JSON bodies: `pin` anywhere, or `$.user.pin`, `$.cards[*].pan`."""
    keep_cookies: list[str] = []
    """Cookies whose values stay: `theme`."""
    detect: list[Literal["email", "phone", "iban", "ip"]] = []
    """Personal data to look for in every text."""
    rules: list[RedactRuleTable] = []
    """What has another action than the hash."""


class SinkTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[correlate.sinks]]`: where the value goes."""

    place: str
    """Place in the request: `header:authorization`, `path:3` (the third segment), `query:cursor`,
    `cookie:sid`, `form:csrf`, `$.parent_id`."""
    endpoint: str = "*"
    """Endpoint, or `*` for every one."""


class CorrelateTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[correlate]]`: a value of an answer that later requests of the session carry.

    `shadow sessions learn` writes these.
    """

    name: str
    """What it is called in reports."""
    endpoint: str
    """Endpoint whose answer gives it."""
    place: str
    """Place in the answer: `$.token`, `header:location`, `cookie:sid`."""
    pattern: str | None = None
    """RE2 expression with one group, where the value is only a part of the text there."""
    sinks: list[SinkTable] = []
    """Where it goes; without any, both sides' values are only compared as one."""


class StateTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[state]]`: what writes left behind, asked of both sides and compared.

    One of `request` and `sql`.
    """

    name: str
    """What it is called in reports: its endpoint is `STATE name`."""
    request: str | None = None
    """Method, which must only read, and target: `"GET /v1/items?owner=me"`."""
    headers: dict[str, str] = {}
    """Headers of the request; `{token}` is what the side gave last by the [[correlate]] rule of
    that name, in the session."""
    sql: str | None = None
    """SELECT on `database` of each side; `:session` is the session's name."""
    after: Literal["session", "run"] = "session"
    """For each session that wrote, or once; at the end of the run."""


class SessionsTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[sessions]`: how sessions of a capture are replayed."""

    cookies: bool = False
    """Send each side the cookies that it set in the session, in place of the recorded ones."""


class ShiftTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[shift]]`: a recorded time in requests that is moved to now, for both sides alike."""

    place: str
    """Place in the request, as of a sink."""
    endpoint: str = "*"
    """Endpoint, or `*` for every one."""
    key: str | None = None
    """Key that a JSON Web Token there (HS256, HS384, HS512) is signed with again, from the
    environment: `${JWT_KEY}`."""


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
    reader = _Reader(text, source)
    reader.check(data, Config, ())
    reader.refuse_secret(data)
    expanded = reader.expand(data, ()) if expand else data
    try:
        return msgspec.convert({**expanded, "source": source}, Config)
    except msgspec.ValidationError as error:
        raise reader.refusal(str(error)) from None


class _Reader:
    """Checks one file; messages begin with the file and the line."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source

    def at(self, place: Place) -> str:
        return located(self.source, self.text, place)

    def refusal(self, message: str, below: Place = ()) -> ConfigError:
        """The error for what msgspec says is wrong, in the table `below`."""
        reason, _, path = message.partition(" - at ")
        steps = re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", path)
        place: Place = (*below, *(name or int(number) for name, number in steps))
        missing = re.search(r"missing required field `(.+)`", reason)
        if missing:
            return ConfigError(
                f"{self.at(place)}: {told(place)}: {missing[1]} is missing",
                f"add {missing[1]} = …",
            )
        return ConfigError(
            f"{self.at(place)}: {told(place) or 'the file'}: {reason}",
            _choices(place) or "see docs/reference/config.md",
        )

    def check(self, data: Any, shape: Any, place: Place) -> None:
        """Refuse unknown keys, with the nearest known name."""
        if isinstance(data, list):
            inner = next(iter(get_args(shape)), None)
            for number, item in enumerate(data):
                self.check(item, inner, (*place, number))
        if isinstance(data, dict) and get_origin(shape) is dict:
            self._check_named(data, get_args(shape)[1], place)
        if not isinstance(data, dict) or not _is_struct(shape):
            return
        keys = _keys(shape)
        for key, value in data.items():
            here = (*place, key)
            if key not in keys:
                near = difflib.get_close_matches(key, keys, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}"
                raise ConfigError(f"{self.at(here)}: unknown key {told(here)}", hint)
            self.check(value, keys[key], here)

    def refuse_secret(self, data: dict[str, Any]) -> None:
        """Refuse a secret that stands in the file itself."""
        for place in (*_SECRETS, *_keys_of_shifts(data)):
            secret: Any = data
            for step in place:
                found = isinstance(secret, list) or (isinstance(secret, dict) and step in secret)
                secret = secret[step] if found else None
            if isinstance(secret, str) and not _FROM_ENVIRONMENT.fullmatch(secret):
                raise ConfigError(
                    f"{self.at(place)}: {told(place)} stands in the file",
                    f'put it into the environment, and {place[-1]} = "${{SECRET}}" here',
                )

    def _check_named(self, data: dict[str, Any], shape: Any, place: Place) -> None:
        """Check tables that go by names of the user, which msgspec's messages leave out."""
        if not _is_struct(shape):
            return
        for name, value in data.items():
            here = (*place, name)
            self.check(value, shape, here)
            try:
                msgspec.convert(value, shape)
            except msgspec.ValidationError as error:
                raise self.refusal(str(error), here) from None

    def expand(self, value: Any, place: Place) -> Any:
        """Replace `${VAR}` in every string by the environment's value."""
        if isinstance(value, dict):
            return {key: self.expand(item, (*place, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.expand(item, (*place, number)) for number, item in enumerate(value)]
        if not isinstance(value, str):
            return value

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name not in os.environ:
                raise ConfigError(
                    f"{self.at(place)}: {told(place)} needs the environment variable {name}",
                    f"export {name}=… before the command",
                )
            return os.environ[name]

        return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", one, value)


def _keys_of_shifts(data: dict[str, Any]) -> list[Place]:
    shifts = data.get("shift")
    count = len(shifts) if isinstance(shifts, list) else 0
    return [("shift", number, "key") for number in range(count)]


def located(source: str, text: str, place: Place) -> str:
    """The file and, where it is found, the line of a place: `shadow.toml:12`."""
    line = line_of(text, place)
    return source if line is None else f"{source}:{line}"


def _keys(shape: Any) -> dict[str, Any]:
    """The keys of a table, with their types."""
    hints = get_type_hints(shape)
    fields = msgspec.structs.fields(shape)
    return {field.encode_name: hints[field.name] for field in fields if field.name != "source"}


def _choices(place: Place) -> str:
    """What a key may be, where that is a choice of words."""
    shape: Any = Config
    for step in place:
        inner = get_args(shape)
        shape = _keys(shape).get(str(step)) if _is_struct(shape) else inner[-1] if inner else None
    words = get_args(shape) if get_origin(shape) is Literal else ()
    return "one of " + ", ".join(map(str, words)) if words else ""


def _is_struct(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)
