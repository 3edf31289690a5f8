"""Read what components show of the records in their attributes, as references of an API do.

https://github.com/PaloAltoNetworks/docusaurus-openapi-docs writes `parameters={[{"name": …}]}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sites.html_blocks import fragment_words

_UNNAMED = frozenset({"schema", "items"})
"""Keys that say nothing of the record below them."""


def described(value: Any, name: str = "") -> Iterator[str]:
    """Yield `name: description` for each record in a value; `name` is that of the value."""
    if isinstance(value, list):
        for inner in value:
            yield from described(inner)
    elif isinstance(value, dict):
        own, said = value.get("name"), value.get("description")
        name = own if isinstance(own, str) else name
        if isinstance(said, str) and said.strip():
            words = fragment_words(said)
            yield f"{name}: {words}" if name else words
        for key, inner in value.items():
            yield from described(inner, "" if key in _UNNAMED else key)
