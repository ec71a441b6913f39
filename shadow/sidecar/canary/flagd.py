"""One flagd file: checked, and evaluated by route through OpenFeature.

Three flags count, others are left alone: `rust-enabled` (boolean), `rust-percent` (0 to 100) and
`shadow-sample` (0 to 1). Targeting sees `route`, `method` and `path`, so a rule can give one
route what others do not have. Sources of the format:
https://flagd.dev/reference/flag-definitions/ and https://flagd.dev/schema/v0/flags.json
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

from openfeature.client import OpenFeatureClient
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import GeneralError, OpenFeatureError
from openfeature.flag_evaluation import (
    FlagEvaluationDetails,
    FlagResolutionDetails,
    FlagValueType,
)
from openfeature.provider import AbstractProvider, FeatureProvider, Metadata, ProviderStatus

from shadow.reports.text import plain
from shadow.sidecar.canary.routing import RouteFlags

MAX_DEPTH: Final = 100
"""Levels of a targeting rule, lists among them: 50 nested `if`."""
MAX_NODES: Final = 2_000
"""Values in all targeting rules together, with each `$ref` as what it stands for."""
MAX_TEXT: Final = 65_536
"""Characters of them."""

ALL_ROUTES: Final = "*"
ENABLED: Final = "rust-enabled"
PERCENT: Final = "rust-percent"
SAMPLE: Final = "shadow-sample"
_DEFAULTS: Final = {ENABLED: True, PERCENT: 0.0, SAMPLE: 1.0}
"""Of a flag that is not in the file, is disabled, or says nothing for a route."""
_SAFE: Final = {ENABLED: False, PERCENT: 0.0, SAMPLE: 1.0}
"""Of a flag whose rule went wrong for a route."""
_MOST: Final = {PERCENT: 100, SAMPLE: 1}

_KEYS: Final = ("state", "variants", "defaultVariant", "targeting")
_REMARKS: Final = ("description", "metadata")
_VARIABLES: Final = ("route", "method", "path", "targetingKey", "$flagd.flagKey")
_CLOCK: Final = "$flagd.timestamp"
_OPERATORS: Final = frozenset(
    {"if", "?:", "and", "or", "!", "!!", "==", "!=", "===", "!==", "<", "<=", ">", ">="}
    | {"+", "-", "*", "/", "%", "min", "max", "in", "cat", "substr", "merge", "var"}
    | {"starts_with", "ends_with"}
)
"""Those that evaluate each of their operands at most once, so that a rule takes no longer than
it is long. `map`, `reduce` and the like do not; they would not see the route either."""
_TWO_OPERANDS: Final = frozenset({"starts_with", "ends_with"})
_LOOKED_AT: Final = 100  # names of other flags, for one that is misspelt
_CUT: Final = 80  # characters of a text out of the file that are shown

_T = TypeVar("_T")
_Context: TypeAlias = EvaluationContext | None
_Object: TypeAlias = Sequence[FlagValueType] | Mapping[str, FlagValueType]


class BadFlags(Exception):  # noqa: N818 - the state of a file, not a mistake of ours
    """A file that cannot be taken; the text says why, in one line."""


class Flags:
    """One version of the file. Raises BadFlags for one that cannot be taken."""

    def __init__(self, content: bytes) -> None:
        document = _parse(content)
        given: dict[str, Any] = document["flags"]
        rules = _Rules(document.get("$evaluators", {}))
        ours = _ours(given, rules)
        self._by_route = [name for name, flag in ours.items() if flag["targeting"]]
        core = FlagdCore()
        try:
            core.set_flags({"flags": ours})
        except OpenFeatureError as error:
            raise BadFlags(clipped(str(error))) from None
        self._client = _Client(_Provider(core))
        self.timed = rules.timed
        """Whether a rule asks for the time, so that no route has the same flags for long."""
        self.remarks = tuple(_misspelt(given))
        self._common = _DEFAULTS.copy()
        for name in ours:
            self._common[name], failed = self._value(name, _context(ALL_ROUTES))
            if failed:
                raise BadFlags(f"flag {name}: its rule fails: {failed}")

    def of(self, route: str) -> tuple[RouteFlags, list[str]]:
        """Return the flags of a route, and what went wrong in finding them."""
        values, problems = self._common.copy(), []
        if self._by_route:
            context = _context(route)
            for name in self._by_route:
                values[name], failed = self._value(name, context)
                if failed:
                    safe = str(values[name]).lower().removesuffix(".0")
                    problems.append(f"flag {name} is {safe} where its rule fails: {failed}")
        flags = RouteFlags(
            rust_enabled=bool(values[ENABLED]),
            rust_percent=values[PERCENT],
            shadow_sample=values[SAMPLE],
        )
        return flags, problems

    def _value(self, name: str, context: EvaluationContext) -> tuple[float, str]:
        """Evaluate one flag. Where its rule fails, return its safe value and why it failed."""
        default = _DEFAULTS[name]
        details: FlagEvaluationDetails[bool] | FlagEvaluationDetails[float] = (
            self._client.get_boolean_details(name, default, context)
            if isinstance(default, bool)
            else self._client.get_float_details(name, default, context)
        )
        if details.error_code is None:
            return details.value, ""
        return _SAFE[name], clipped(details.error_message or details.error_code)


def _context(route: str) -> EvaluationContext:
    method, space, path = route.partition(" ")
    parts = {"route": route, "method": method if space else "", "path": path}
    return EvaluationContext(route, parts)


class _Client(OpenFeatureClient):
    """A client of one provider, which is not entered in OpenFeature's registry of providers.

    What is entered there stays there; here each version of the file has a provider of its own.
    """

    def __init__(self, provider: FeatureProvider) -> None:
        super().__init__(domain="shadow", version=None)
        self._provider = provider

    @property
    def provider(self) -> FeatureProvider:
        """The provider, whatever is registered."""
        return self._provider

    def get_provider_status(self) -> ProviderStatus:
        """Ready: the file has been read."""
        return ProviderStatus.READY


class _Provider(AbstractProvider):
    """flagd's evaluator as a provider: flagd-core comes without one."""

    def __init__(self, core: FlagdCore) -> None:
        super().__init__()
        self._core = core

    def get_metadata(self) -> Metadata:
        return Metadata("flagd-file")

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,  # noqa: FBT001 - as the protocol has it
        evaluation_context: _Context = None,
    ) -> FlagResolutionDetails[bool]:
        return _asked(self._core.resolve_boolean_value, flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: _Context = None
    ) -> FlagResolutionDetails[str]:
        return _asked(self._core.resolve_string_value, flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: _Context = None
    ) -> FlagResolutionDetails[int]:
        return _asked(self._core.resolve_integer_value, flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: _Context = None
    ) -> FlagResolutionDetails[float]:
        return _asked(self._core.resolve_float_value, flag_key, default_value, evaluation_context)

    def resolve_object_details(
        self, flag_key: str, default_value: _Object, evaluation_context: _Context = None
    ) -> FlagResolutionDetails[_Object]:
        return _asked(self._core.resolve_object_value, flag_key, default_value, evaluation_context)


def _asked(
    ask: Callable[[str, _T, _Context], FlagResolutionDetails[_T]],
    key: str,
    default: _T,
    context: _Context,
) -> FlagResolutionDetails[_T]:
    """Evaluate a flag; whatever its rule does is an OpenFeatureError."""
    try:
        return ask(key, default, context)
    except OpenFeatureError:
        raise
    except Exception as error:
        raise GeneralError(f"{type(error).__name__}: {error}") from error


# Reading the file


def _parse(content: bytes) -> dict[str, Any]:
    """Read JSON that has flags in it. Raises BadFlags."""
    try:
        document = json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_number
        )
    except UnicodeDecodeError as error:
        raise BadFlags(f"is not UTF-8, at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise BadFlags(f"line {error.lineno}: is not JSON: {error.msg}") from None
    except RecursionError:
        raise BadFlags("is nested too deeply") from None
    except ValueError:
        raise BadFlags("holds a number with too many digits") from None
    if not isinstance(document, dict) or not isinstance(document.get("flags"), dict):
        raise BadFlags('is no flagd file: it has no object "flags"')
    if not isinstance(document.get("$evaluators", {}), dict):
        raise BadFlags("$evaluators is no object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object, in which no name may be twice: which one holds would be a guess."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise BadFlags(f"{clipped(name)} is there twice in one object")
        found[name] = value
    return found


def _no_number(text: str) -> NoReturn:
    raise BadFlags(f"{text} is no number of JSON")


def _ours(given: Mapping[str, Any], rules: _Rules) -> dict[str, dict[str, Any]]:
    """Check those flags that count, and return what the evaluator takes of them."""
    found = {}
    for name in _DEFAULTS:
        if name in given:
            try:
                found[name] = _flag(name, given[name], rules)
            except BadFlags as problem:
                raise BadFlags(f"flag {name}: {problem}") from None
    return found


def _flag(name: str, given: Any, rules: _Rules) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BadFlags("is no object")
    for key in given:
        if key not in _KEYS and key not in _REMARKS:
            raise BadFlags(f"{clipped(key)} is not known; there are {', '.join(_KEYS)}")
    if given.get("state") not in ("ENABLED", "DISABLED"):
        raise BadFlags("state is neither ENABLED nor DISABLED")
    variants = _variants(name, given.get("variants"))
    return {
        "state": given["state"],
        "variants": variants,
        "defaultVariant": _default(given.get("defaultVariant"), variants),
        "targeting": rules.resolved(given.get("targeting")),
    }


def _variants(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict) or not given:
        raise BadFlags("has no variants")
    for variant, value in given.items():
        if name == ENABLED:
            right, wanted = isinstance(value, bool), "true or false"
        else:
            right = type(value) in (int, float) and 0 <= value <= _MOST[name]
            wanted = f"a number from 0 to {_MOST[name]}"
        if not right:
            raise BadFlags(f"variant {clipped(variant)} is not {wanted}")
    return given


def _default(given: Any, variants: Mapping[str, Any]) -> str | None:
    """Return the variant that holds without a rule; None for what the code says."""
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        raise BadFlags("defaultVariant is no text")
    if given not in variants:
        raise BadFlags(f"defaultVariant {clipped(given)} is not among the variants")
    return given


class _Rules:
    """Checks targeting rules and puts in what they refer to, within bounds for all of a file.

    flagd-core puts references in as text, without a bound, and trips over escaped characters.
    """

    def __init__(self, evaluators: Mapping[str, Any]) -> None:
        self._evaluators = evaluators
        self._nodes = 0
        self._text = 0
        self.timed = False

    def resolved(self, targeting: Any) -> dict[str, Any] | None:
        """Return a rule that can be evaluated; None for none. Raises BadFlags."""
        if targeting is None or targeting == {}:
            return None
        rule = self._resolved(targeting, 0)
        if not isinstance(rule, dict):
            raise BadFlags("targeting is no rule")
        return rule

    def _resolved(self, value: Any, depth: int) -> Any:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise BadFlags(f"targeting has more than {MAX_DEPTH} levels or {MAX_NODES:,} values")
        if isinstance(value, str):
            self._text += len(value)
            if self._text > MAX_TEXT:
                raise BadFlags(f"targeting has more than {MAX_TEXT:,} characters")
        if isinstance(value, list):
            return [self._resolved(each, depth + 1) for each in value]
        if not isinstance(value, dict):
            return value
        if len(value) != 1:
            raise BadFlags(f"targeting: an object with {len(value)} names is no rule")
        ((operator, operands),) = value.items()
        if operator == "$ref":
            return self._resolved(self._evaluator(operands), depth + 1)
        self._check(operator, operands)
        return {operator: self._resolved(operands, depth + 1)}

    def _evaluator(self, name: Any) -> Any:
        if not isinstance(name, str) or name not in self._evaluators:
            raise BadFlags(f"targeting: $ref {clipped(str(name))} is not in $evaluators")
        return self._evaluators[name]

    def _check(self, operator: str, operands: Any) -> None:
        if operator not in _OPERATORS:
            raise BadFlags(f"targeting: operator {clipped(operator)} is not known here")
        given = operands if isinstance(operands, list) else [operands]
        if operator in _TWO_OPERANDS and len(given) != 2:
            raise BadFlags(f"targeting: {operator} takes two operands")
        if operator == "var":
            name = given[0] if given else ""
            if name == _CLOCK:
                self.timed = True
            elif name not in _VARIABLES:
                raise BadFlags(
                    f"targeting: var {clipped(str(name))} is not known; there are "
                    f"{', '.join((*_VARIABLES, _CLOCK))}"
                )


def _misspelt(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each flag that is not there, where another looks like it."""
    others = [name for name in islice(given, _LOOKED_AT) if name not in _DEFAULTS]
    for name in _DEFAULTS:
        near = difflib.get_close_matches(name, others, n=1, cutoff=0.8)
        if name not in given and near:
            yield f"flag {clipped(near[0])} is not known; is it {name}, misspelt?"


def clipped(text: str) -> str:
    """Make a text out of the file fit for a line."""
    return plain(text if len(text) <= _CUT else f"{text[:_CUT]}…")
