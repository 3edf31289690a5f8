"""The tables, and how they come to be. Imports nothing: any floor may read it.

`SCRIPT` creates what is missing and migrates what is old, whichever it finds. Several
processes may run it at once: it is one transaction that begins by taking a lock of its
own, which works through PgBouncer too. `rag.services.postgres.Postgres` runs it when a
statement names something that does not exist, so a migration is picked up by the first
statement that needs it.

Everything is in a schema named `book`: a database may hold other tables, some of them
named `sessions`. Names are always written with it; a search path would be session state.
"""

from collections.abc import Sequence

_SESSIONS = """
-- turns: number of the last turn; a turn is numbered by counting it up.
CREATE TABLE book.sessions (
  session_id uuid PRIMARY KEY,
  turns integer NOT NULL,
  used_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON book.sessions (used_at);

-- request_key: the same request never makes a second turn.
-- embedding: key of the cached embedding of this question, if there is one.
CREATE TABLE book.turns (
  session_id uuid NOT NULL REFERENCES book.sessions ON DELETE CASCADE,
  n integer NOT NULL,
  request_key uuid NOT NULL UNIQUE,
  created_at timestamptz NOT NULL,
  question text NOT NULL,
  answer text NOT NULL,
  sources jsonb NOT NULL,
  metadata jsonb NOT NULL,
  thumbs smallint,
  comment text,
  embedding uuid,
  PRIMARY KEY (session_id, n)
);
CREATE INDEX ON book.turns (created_at);
CREATE INDEX ON book.turns (embedding) WHERE embedding IS NOT NULL;

-- Half-precision floats, little-endian. A row lives as long as a turn refers to it.
CREATE TABLE book.embeddings (
  key uuid PRIMARY KEY,
  vector bytea NOT NULL
);
ALTER TABLE book.embeddings ALTER COLUMN vector SET STORAGE EXTERNAL;

-- When old conversations were last looked for.
CREATE TABLE book.upkeep (done_at timestamptz NOT NULL);
INSERT INTO book.upkeep VALUES (now());

-- free_at: the theoretical arrival time of the rate limiter. Losing them in a crash is fine.
CREATE UNLOGGED TABLE book.rates (
  key uuid PRIMARY KEY,
  free_at timestamptz NOT NULL
);
CREATE TABLE book.days (
  day date PRIMARY KEY,
  questions bigint NOT NULL,
  tokens bigint NOT NULL
);

-- Delete sessions with their turns, and the embeddings that no other turn refers to; the
-- number of turns that went. The lock lets one of two sessions that share a question be the
-- last; locking the rows waits for a turn that is just being saved, and the statement after
-- it sees that turn.
CREATE FUNCTION book.forget(doomed uuid[]) RETURNS integer LANGUAGE plpgsql AS $forget$
DECLARE
  forgotten integer;
BEGIN
  PERFORM pg_advisory_xact_lock(62831853);
  PERFORM FROM book.sessions WHERE session_id = ANY (doomed) ORDER BY session_id FOR UPDATE;
  WITH gone AS (
    DELETE FROM book.turns WHERE session_id = ANY (doomed) RETURNING embedding
  ), uncached AS (
    DELETE FROM book.embeddings e
    USING (SELECT DISTINCT embedding FROM gone WHERE embedding IS NOT NULL) g
    WHERE e.key = g.embedding AND NOT EXISTS (
      SELECT FROM book.turns t WHERE t.embedding = e.key AND t.session_id <> ALL (doomed)
    )
  )
  SELECT count(*) INTO forgotten FROM gone;
  DELETE FROM book.sessions WHERE session_id = ANY (doomed);
  RETURN forgotten;
END $forget$;

-- Forget up to `batch` sessions unused for `days`; their number. Where that was all, the
-- next look is due an hour later.
CREATE FUNCTION book.expire(days integer, batch integer) RETURNS integer
LANGUAGE plpgsql AS $expire$
DECLARE
  doomed uuid[];
BEGIN
  PERFORM pg_advisory_xact_lock(62831853);
  doomed := ARRAY(
    SELECT session_id FROM book.sessions WHERE used_at < now() - make_interval(days => days)
    ORDER BY used_at LIMIT batch FOR UPDATE SKIP LOCKED
  );
  PERFORM book.forget(doomed);
  IF cardinality(doomed) < batch THEN
    UPDATE book.upkeep SET done_at = now();
    DELETE FROM book.rates WHERE free_at < now() - interval '1 day';
  END IF;
  RETURN cardinality(doomed);
END $expire$;
"""

MIGRATIONS = (_SESSIONS,)
"""In order, never changed once released: a database at version n has had the first n."""


_FRAME = """
SELECT pg_advisory_xact_lock(62831854);
CREATE SCHEMA IF NOT EXISTS book;
CREATE TABLE IF NOT EXISTS book.migrations (
  version integer PRIMARY KEY, done_at timestamptz NOT NULL DEFAULT now()
);
DO $migrate$
DECLARE
  done integer := (SELECT coalesce(max(version), 0) FROM book.migrations);
BEGIN
{steps}
END $migrate$;
"""
_STEP = """
IF done < {number} THEN
{migration}
INSERT INTO book.migrations (version) VALUES ({number});
END IF;
"""


def script(migrations: Sequence[str]) -> str:
    """One script that brings a database from any of its versions to the last."""
    steps = [
        _STEP.format(number=number, migration=migration)
        for number, migration in enumerate(migrations, 1)
    ]
    return _FRAME.format(steps="".join(steps))


SCRIPT = script(MIGRATIONS)
