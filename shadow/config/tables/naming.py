"""`[endpoints]`: how requests are grouped."""

from __future__ import annotations

import msgspec


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
