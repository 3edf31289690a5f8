"""The conversation store: sessions and their turns in PostgreSQL.

A session's id is a random UUID made by `new_session_id`; whoever knows it owns the session.
Any other text in its place is a session that does not exist, and so is a session unused
for `retention_days`, whether or not it has been deleted yet.

A turn is whole in the history or absent from it. Turns are numbered from 1 by counting up
in the session's row, whose lock makes two questions at once in one session wait for each
other. PostgreSQL cannot hold NUL characters and lone surrogates; they become U+FFFD here.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

from rag.errors import StatementRejected
from rag.interfaces import Database
from rag.models import (
    Claim,
    Related,
    Source,
    Turn,
)

EXPIRE_BATCH = 200
"""Sessions that one save deletes at most."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_RANDOM_KEY = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_RELATED = "related"
"""Key of the related sections in a row's metadata."""
_UNIQUE_VIOLATION = "23505"


class Saved(NamedTuple):
    """Where a turn stands."""

    session_id: str
    n: int
    before: Turn | None = None
    """The turn that the same request had made already; it stands, and nothing was added."""


class History(NamedTuple):
    """A part of a conversation."""

    turns: list[Turn]
    """Oldest first."""
    total: int
    """Number of turns in the whole conversation."""


@dataclass(frozen=True, slots=True)
class QuestionEmbedding:
    """An embedding worth keeping: `vector` is what `model` made of `text`."""

    model: str
    text: str
    vector: Sequence[float]


def new_session_id() -> str:
    """122 random bits as a UUID."""
    return str(uuid.uuid4())


def is_session_id(text: str) -> bool:
    """Whether `text` could be an id of ours; says nothing about whether it exists."""
    return _ID.fullmatch(text) is not None


def _looked_up(session_id: str) -> str:
    """The id to ask the database for: one that cannot be ours is one that does not exist.

    So the answer, its time and what happens while the database is down are the same for both.
    """
    return session_id if is_session_id(session_id) else new_session_id()


def request_key(*parts: str) -> str:
    """A key for `save` and `saved` from everything that makes a request the same request.

    That is the client's Idempotency-Key, its session id and its question. Whoever repeats all
    three is shown the turn, so one of them must be a secret. In a conversation that exists it
    is the session id. A question that begins one has none: there the key itself must be, see
    `is_unguessable`. The client's address is no part of it: a reader whose train leaves the
    station's network tries again from another.
    """
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16]))


def is_unguessable(key: str) -> bool:
    """Whether an Idempotency-Key is a UUID with enough random bits: version 4 or 7."""
    return _RANDOM_KEY.fullmatch(key) is not None


# ---------------------------------------------------------------- reading


_RECENT = """
SELECT t.n, t.question, t.answer, t.sources, t.metadata, t.created_at, t.thumbs
FROM book.sessions s LEFT JOIN LATERAL (
  SELECT * FROM book.turns WHERE session_id = s.session_id ORDER BY n DESC LIMIT :limit
) t ON true
WHERE s.session_id = :session_id
  AND s.used_at > now() - make_interval(days => :retention_days)
ORDER BY t.n
"""

_PAGE = """
SELECT t.n, t.question, t.answer, t.sources, t.metadata, t.created_at, t.thumbs, s.turns
FROM book.sessions s LEFT JOIN LATERAL (
  SELECT * FROM book.turns WHERE session_id = s.session_id AND n > :after ORDER BY n LIMIT :limit
) t ON true
WHERE s.session_id = :session_id
  AND s.used_at > now() - make_interval(days => :retention_days)
ORDER BY t.n
"""

_SAVED = """
SELECT session_id, n, question, answer, sources, metadata, created_at, thumbs
FROM book.turns WHERE request_key = :request_key
"""


async def recent(
    db: Database, session_id: str, limit: int, *, retention_days: int
) -> list[Turn] | None:
    """The last `limit` turns, oldest first; None where there is no such session."""
    if not is_session_id(session_id):
        return None
    rows = await db.run(_RECENT, session_id=session_id, limit=limit, retention_days=retention_days)
    return _turns(rows) if rows else None


async def page(
    db: Database, session_id: str, after: int, limit: int, *, retention_days: int
) -> History | None:
    """Up to `limit` turns that follow turn `after` (0: from the first one)."""
    rows = await db.run(
        _PAGE,
        session_id=_looked_up(session_id),
        after=after,
        limit=limit,
        retention_days=retention_days,
    )
    return History(_turns(rows), rows[0][7]) if rows else None


async def export(db: Database, session_id: str, *, retention_days: int) -> list[Turn] | None:
    """The whole conversation."""
    history = await page(db, session_id, 0, 2**31 - 1, retention_days=retention_days)
    return history.turns if history else None


async def saved(db: Database, key: str) -> tuple[str, Turn] | None:
    """The session and the turn that a request with this `request_key` made before."""
    rows = await db.run(_SAVED, request_key=key)
    return (str(rows[0][0]), _turns([rows[0][1:]])[0]) if rows else None


# ---------------------------------------------------------------- writing


_SAVE = """
SELECT n, upkeep_due FROM book.append(
  :session_id::uuid, :new::boolean, :retention_days::integer, :request_key::uuid,
  :question, :answer, :sources::jsonb, :metadata::jsonb, :embedding::uuid, :vector::bytea
)
"""


async def save(
    db: Database,
    session_id: str,
    turn: Turn,
    *,
    new: bool,
    retention_days: int,
    key: str = "",
    embedding: QuestionEmbedding | None = None,
) -> Saved | None:
    """Append a turn in one statement, together with its question's embedding.

    `new` creates the session with it. A known session that was deleted or has expired
    meanwhile stays so: None, and nothing was saved. With the `request_key` of a turn that
    is already there nothing is added and that turn's place is returned, which may be in
    another session. Once an hour a save also deletes expired conversations.
    """
    if not is_session_id(session_id):
        return None
    key = key or str(uuid.uuid4())
    try:
        rows = await db.run(
            _SAVE,
            session_id=session_id,
            new=new,
            retention_days=retention_days,
            request_key=key,
            question=_storable(turn.question),
            answer=_storable(turn.answer),
            sources=_json([asdict(source) for source in turn.sources]),
            metadata=_json({**turn.metadata, _RELATED: [asdict(r) for r in turn.related]}),
            embedding=_embedding_key(embedding.model, embedding.text) if embedding else None,
            vector=_pack(embedding.vector) if embedding else None,
        )
    except StatementRejected as error:
        if error.sqlstate != _UNIQUE_VIOLATION:
            raise
        before = await saved(db, key)
        if before is None:
            raise
        return Saved(before[0], before[1].n, before[1])
    n, due = rows[0]
    if n is None:
        return None
    if due:
        await expire(db, retention_days)
    return Saved(session_id, n)


async def delete(db: Database, session_id: str) -> int:
    """Delete a conversation completely; the number of turns it had.

    The cached embeddings of questions that no other conversation asked go with it.
    """
    rows = await db.run(
        "SELECT book.forget(ARRAY[:session_id::uuid])", session_id=_looked_up(session_id)
    )
    return int(rows[0][0])


async def expire(db: Database, retention_days: int) -> int:
    """Delete up to EXPIRE_BATCH conversations unused for `retention_days`; their number."""
    rows = await db.run(
        "SELECT book.expire(:days::integer, :batch::integer)",
        days=retention_days,
        batch=EXPIRE_BATCH,
    )
    return int(rows[0][0])


_RATE = """
/* idempotent */
UPDATE book.turns SET thumbs = :thumbs::smallint, comment = :comment
WHERE session_id = :session_id AND n = :n
RETURNING n
"""


async def rate(db: Database, session_id: str, n: int, thumbs: int, comment: str = "") -> bool:
    """Keep a reader's judgement of turn `n`: 1 up, -1 down, 0 taken back. False: no such turn."""
    parameters = {"thumbs": thumbs or None, "comment": _storable(comment) or None}
    return bool(await db.run(_RATE, session_id=_looked_up(session_id), n=n, **parameters))


# ---------------------------------------------------------------- embeddings of questions


async def cached_embedding(db: Database, model: str, text: str) -> list[float] | None:
    """The embedding that `save` kept with an earlier turn, to half precision (11 bits)."""
    rows = await db.run(
        "SELECT vector FROM book.embeddings WHERE key = :key", key=_embedding_key(model, text)
    )
    return list(struct.unpack(f"<{len(rows[0][0]) // 2}e", rows[0][0])) if rows else None


def _embedding_key(model: str, text: str) -> str:
    return request_key("embedding", model, text)


def _pack(vector: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(vector)}e", *vector)


# ---------------------------------------------------------------- rows


def _turns(rows: Sequence[tuple[Any, ...]]) -> list[Turn]:
    """Rows whose first seven columns are a turn's; the row of an empty outer join is none."""
    return [
        Turn(
            question=question,
            answer=answer,
            sources=tuple(map(_source, sources)),
            related=tuple(Related(**_known(Related, r)) for r in metadata.pop(_RELATED, ())),
            metadata=metadata,
            n=n,
            created_at=created_at,
            rating=thumbs,
        )
        for n, question, answer, sources, metadata, created_at, thumbs, *_ in rows
        if n is not None
    ]


def _source(record: dict[str, Any]) -> Source:
    """A row of an older version has no claims: its source stands for the only one."""
    source = Source(**_known(Source, record))
    claims = tuple(Claim(**_known(Claim, claim)) for claim in record.get("claims", [record]))
    return replace(source, claims=claims)


def _known(kind: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that this version knows."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in record.items() if name in names}


def _storable(text: str) -> str:
    return _UNSTORABLE.sub("\ufffd", text)


def _json(value: Any) -> str:
    return json.dumps(_storable_json(value), ensure_ascii=False, allow_nan=False)


def _storable_json(value: Any) -> Any:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, Mapping):
        return {_storable(str(key)): _storable_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable_json(item) for item in value]
    return value
