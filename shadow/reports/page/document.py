"""What an HTML page of shadow is put together from: its style, its script, its data.

A page asks for nothing but itself. A Content-Security-Policy names its one style and its one
script by their hashes, so that nothing else in it is ever applied or run.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

import msgspec


class Document:
    """A template of a package with its style and its script, made once, rendered often.

    Each of `styles` and `scripts` is a file, as package and name; they are joined in order.
    """

    def __init__(
        self,
        template: tuple[str, str],
        *,
        styles: tuple[tuple[str, str], ...],
        scripts: tuple[tuple[str, str], ...] = (),
    ) -> None:
        import jinja2  # noqa: PLC0415 - only pages need it

        environment = jinja2.Environment(
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self.style = "".join(map(_text, styles))
        self.script = "".join(map(_text, scripts))
        self.style_hash, self.script_hash = digest(self.style), digest(self.script)
        self._template = environment.from_string(_text(template))

    def render(self, **context: Any) -> str:
        """Return the page; what the template prints of `context` is escaped."""
        return self._template.render(
            style=self.style,
            script=self.script,
            style_hash=self.style_hash,
            script_hash=self.script_hash,
            **context,
        )


def _text(file: tuple[str, str]) -> str:
    package, name = file
    return resources.files(package).joinpath(name).read_text("utf-8")


def digest(text: str) -> str:
    """What a Content-Security-Policy names an inline style or script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def embedded_json(value: Any) -> str:
    """JSON that cannot end the element it stands in: `<` only ever stands in a string."""
    return msgspec.json.encode(value).decode().replace("<", "\\u003c")
