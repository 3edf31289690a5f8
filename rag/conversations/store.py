"""Store conversations (sessions and their turns) in PostgreSQL.

A session id is a random UUID from `new_session_id`. Anyone who knows it has access to the session.
Malformed ids are treated as sessions that do not exist. So are sessions unused for
`retention_days`, even before they are deleted.

A turn is saved completely or not at all. Turns are numbered from 1 by a counter in the session's
row; the row's lock serializes concurrent questions in one session.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rag.conversations.migrations import UPKEEP_DUE
from rag.conversations.turn_rows import metadata_json, read_turns, sources_json, storable
from rag.errors import ConversationFull, StatementRejected
from rag.interfaces import Database
from rag.models import Turn

EXPIRE_BATCH = 200
"""Maximum number of sessions deleted at once."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_RANDOM_KEY = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
)
_UNIQUE_VIOLATION = "23505"


class Saved(NamedTuple):
    """The session and number of a saved turn."""

    session_id: str
    n: int
    earlier: Turn | None = None
    """The turn that the same request saved earlier. If set, nothing was added."""


class History(NamedTuple):
    """One page of a conversation."""

    turns: list[Turn]
    """Oldest first."""
    total: int
    """Number of turns in the whole conversation."""


@dataclass(frozen=True, slots=True)
class QuestionEmbedding:
    """The embedding of `text` by `model`, to be cached."""

    model: str
    text: str
    vector: Sequence[float]


@dataclass(frozen=True, slots=True)
class Extras:
    """What may be saved with a turn, and the limit that applies."""

    key: str = ""
    """A `request_key`; random if empty."""
    embedding: QuestionEmbedding | None = None
    max_turns: int = 2**31 - 1
    """Turns that the conversation may have."""


NO_EXTRAS = Extras()


def new_session_id() -> str:
    """Return a random UUID (122 random bits)."""
    return str(uuid.uuid4())


def is_session_id(text: str) -> bool:
    """Whether `text` is a well-formed session id. The session may not exist."""
    return _ID.fullmatch(text) is not None


def _queried_id(session_id: str) -> str:
    """Replace a malformed id by a random one.

    Malformed and unknown ids then behave the same: same response, same timing, same errors.
    """
    return session_id if is_session_id(session_id) else new_session_id()


def request_key(*parts: str) -> str:
    """Hash the parts that identify a request into a key for `save` and `find_saved`.

    The parts are the client's Idempotency-Key, session id and question. Anyone who repeats all
    three receives the saved turn, so one of them must be secret. In an existing conversation that
    is the session id. In a new one it must be the Idempotency-Key; see `is_unguessable`. The
    client's address is not included, because it may change between attempts, as on a train.
    """
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16]))


def is_unguessable(key: str) -> bool:
    """Whether an Idempotency-Key is a UUID with enough random bits: version 4 or 7."""
    return _RANDOM_KEY.fullmatch(key) is not None


# ---------------------------------------------------------------- reading


_PAGE = """
SELECT t.n, t.question, t.answer, t.sources, t.metadata, t.created_at, t.thumbs, s.turns
FROM book.sessions s LEFT JOIN LATERAL (
  SELECT * FROM book.turns
  WHERE session_id = s.session_id AND n > coalesce(:after::integer, s.turns - :limit)
  ORDER BY n LIMIT :limit
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
    """Return the last `limit` turns, oldest first, or None if there is no such session."""
    history = await page(db, session_id, None, limit, retention_days=retention_days)
    return history.turns if history else None


async def page(
    db: Database, session_id: str, after: int | None, limit: int, *, retention_days: int
) -> History | None:
    """Return up to `limit` turns after turn number `after`, or None if there is no such session.

    If `after` is None, return the last turns.
    """
    rows = await db.run(
        _PAGE,
        session_id=_queried_id(session_id),
        after=after,
        limit=limit,
        retention_days=retention_days,
    )
    return History(read_turns(rows), rows[0][7]) if rows else None


async def find_saved(db: Database, key: str) -> tuple[str, Turn] | None:
    """Return the session id and the turn saved under this `request_key`, or None."""
    rows = await db.run(_SAVED, request_key=key)
    return (str(rows[0][0]), read_turns([rows[0][1:]])[0]) if rows else None


# ---------------------------------------------------------------- writing


_SAVE = f"""
SELECT n, {UPKEEP_DUE}, filled FROM book.append(
  :session_id::uuid, :new::boolean, :retention_days::integer, :request_key::uuid,
  :question, :answer, :sources::jsonb, :metadata::jsonb, :embedding::uuid, :vector::bytea,
  :max_turns::integer
)
"""  # noqa: S608 (a constant)
_ROW_BYTES = 500
"""What a turn takes besides its texts: row headers, numbers and entries of indexes."""


async def save(
    db: Database,
    session_id: str,
    turn: Turn,
    *,
    new: bool,
    retention_days: int,
    extras: Extras = NO_EXTRAS,
) -> Saved | None:
    """Append a turn, and cache its question's embedding, in one statement.

    `new` also creates the session. Return None, without saving, if an existing session was deleted
    or has expired meanwhile. If a turn with the same key exists, possibly in another session,
    return that turn and add nothing. Raises ConversationFull. About once an hour, a save also
    deletes expired conversations.
    """
    if not is_session_id(session_id):
        return None
    key, embedding = extras.key or str(uuid.uuid4()), extras.embedding
    try:
        rows = await db.run(
            _SAVE,
            session_id=session_id,
            new=new,
            retention_days=retention_days,
            request_key=key,
            question=storable(turn.question),
            answer=storable(turn.answer),
            sources=sources_json(turn),
            metadata=metadata_json(turn),
            embedding=_embedding_key(embedding.model, embedding.text) if embedding else None,
            vector=_pack(embedding.vector) if embedding else None,
            max_turns=extras.max_turns,
        )
    except StatementRejected as error:
        if error.sqlstate != _UNIQUE_VIOLATION:
            raise
        earlier = await find_saved(db, key)
        if earlier is None:
            raise
        return Saved(earlier[0], earlier[1].n, earlier[1])
    n, due, filled = rows[0]
    if filled:
        raise ConversationFull
    if n is None:
        return None
    if due:
        await expire(db, retention_days)
    return Saved(session_id, n)


def stored_bytes(turn: Turn, embedding: QuestionEmbedding | None = None) -> int:
    """Return about how many bytes a turn takes in the database, before compression."""
    texts = (turn.question, turn.answer, sources_json(turn), metadata_json(turn))
    size = sum(len(storable(text).encode()) for text in texts) + _ROW_BYTES
    return size + (2 * len(embedding.vector) if embedding else 0)


async def delete(db: Database, session_id: str) -> int:
    """Delete a conversation and return the number of its turns.

    Cached embeddings are deleted too, unless another conversation has the same question.
    """
    rows = await db.run(
        "SELECT book.forget(ARRAY[:session_id::uuid])", session_id=_queried_id(session_id)
    )
    return int(rows[0][0])


async def expire(db: Database, retention_days: int) -> int:
    """Delete up to EXPIRE_BATCH expired conversations and return their number."""
    rows = await db.run(
        "SELECT book.keep_up(:days::integer, :batch::integer)",
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
    """Store a rating of turn `n`: 1 up, -1 down, 0 to clear. Return False if there is no turn."""
    parameters = {"thumbs": thumbs or None, "comment": storable(comment) or None}
    return bool(await db.run(_RATE, session_id=_queried_id(session_id), n=n, **parameters))


# ---------------------------------------------------------------- embeddings of questions


async def cached_embedding(db: Database, model: str, text: str) -> list[float] | None:
    """Return the cached embedding of a question, in half precision, or None."""
    rows = await db.run(
        "SELECT encode(vector, 'hex') FROM book.embeddings WHERE key = :key",
        key=_embedding_key(model, text),
    )
    if not rows:
        return None
    packed = bytes.fromhex(rows[0][0])  # bytea itself has several text formats
    return list(struct.unpack(f"<{len(packed) // 2}e", packed))


def _embedding_key(model: str, text: str) -> str:
    return request_key("embedding", model, text)


def _pack(vector: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(vector)}e", *vector)
