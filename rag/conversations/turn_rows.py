"""Convert turns to rows of the database, and rows to turns.

PostgreSQL cannot store NUL characters and lone surrogates, so they are replaced by U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from rag.models import Claim, RelatedSection, Source, Turn

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""NUL in JSON, but not an escaped backslash before `u0000`."""
_RELATED = "related"
"""Key of the related sections in a row's metadata."""


def read_turns(rows: Sequence[tuple[Any, ...]]) -> list[Turn]:
    """Convert rows to turns. Skip the empty row that the outer join gives for no turns."""
    return [
        Turn(
            question=question,
            answer=answer,
            sources=tuple(map(_source, sources)),
            related=tuple(
                RelatedSection(**_known_fields(RelatedSection, r))
                for r in metadata.pop(_RELATED, ())
            ),
            metadata=metadata,
            n=n,
            created_at=created_at,
            rating=thumbs,
        )
        for n, question, answer, sources, metadata, created_at, thumbs, *_ in rows
        if n is not None
    ]


def _source(record: dict[str, Any]) -> Source:
    """Convert a stored source. Older rows have no claims; the source itself is the only one."""
    source = Source(**_known_fields(Source, record))
    claims = tuple(Claim(**_known_fields(Claim, claim)) for claim in record.get("claims", [record]))
    return replace(source, claims=claims)


def _known_fields(kind: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Keep only the fields that this version has."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in record.items() if name in names}


def storable(text: str) -> str:
    return _UNSTORABLE.sub("\ufffd", text)


def sources_json(turn: Turn) -> str:
    return _json(turn.sources)


def metadata_json(turn: Turn) -> str:
    return _json({**turn.metadata, _RELATED: turn.related})


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_record)
    if "\\u0000" in text:
        text = _ESCAPED_NUL.sub("\\1\ufffd", text)
    return storable(text)


def _record(value: Any) -> dict[str, Any]:
    """Return the fields of a data class, without the deep copy that `asdict` makes."""
    return {field.name: getattr(value, field.name) for field in fields(value)}
