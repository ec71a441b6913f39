"""What a target wants otherwise than it was recorded: another path, other parameters. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_plus

from shadow.errors import ConfigError

_PATH: Final = re.compile(r"/[!-~]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshaping:
    """Changes to the path and query of each request; what is not named keeps its spelling."""

    paths: tuple[tuple[str, str], ...] = ()
    """Beginnings of paths and what stands in their place; the first that fits counts."""
    set_query: tuple[tuple[str, str], ...] = ()
    """Parameters and their values: in the place of a recorded one, else at the end."""
    drop_query: frozenset[str] = frozenset()
    """Parameters that are not sent."""

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.paths or self.set_query or self.drop_query)

    def apply(self, target: str) -> str:
        """Return a target in origin form as it is to be sent: it stays one."""
        path, mark, query = target.partition("?")
        for start, other in self.paths:
            if path.startswith(start):
                path = other + path[len(start) :]
                break
        if not self.set_query and not self.drop_query:
            return path + mark + query
        pairs = self._pairs(query.split("&") if query else [])
        return f"{path}?{'&'.join(pairs)}" if pairs else path

    def _pairs(self, recorded: Sequence[str]) -> list[str]:
        wanted = dict(self.set_query)
        pairs = []
        for pair in recorded:
            name = unquote_plus(pair.partition("=")[0])
            if name in self.drop_query:
                continue
            if name in dict(self.set_query):
                if name in wanted:
                    pairs.append(f"{pair.partition('=')[0]}={quote(wanted.pop(name), '')}")
                continue
            pairs.append(pair)
        return pairs + [f"{quote(name, '')}={quote(value, '')}" for name, value in wanted.items()]


UNCHANGED: Final = Reshaping()


def parse_reshaping(
    paths: Sequence[tuple[str, str]],
    set_query: Sequence[tuple[str, str]],
    drop_query: Sequence[str],
    option: str,
) -> Reshaping:
    """Check what a config asks for. Raises ConfigError, beginning with `option`."""
    for part in (part for pair in paths for part in pair):
        if not _PATH.fullmatch(part) or "?" in part or "#" in part:
            raise ConfigError(
                f"{option}.paths: {part!a} is no beginning of a path",
                'write it like { "/v1/" = "/api/v1/" }, percent-encoded where need be',
            )
    return Reshaping(
        paths=tuple(paths), set_query=tuple(set_query), drop_query=frozenset(drop_query)
    )
