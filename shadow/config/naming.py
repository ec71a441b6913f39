"""`[endpoints]` → what names the endpoint of a request."""

from __future__ import annotations

from pathlib import Path

from shadow.captures.openapi import read_templates
from shadow.config.file import Config, named
from shadow.endpoints import Endpoints


def endpoints(config: Config) -> Endpoints:
    """What names the endpoint of a request. Raises ConfigError for a malformed template."""
    templates = list(config.endpoints.templates)
    if config.endpoints.openapi is not None:
        with named(config, "endpoints", "openapi"):
            templates += read_templates(Path(config.source).parent / config.endpoints.openapi)
    with named(config, "endpoints", "templates"):
        return Endpoints(templates)
