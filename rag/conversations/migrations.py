"""The database schema and its migrations. Imports only SQL, so any layer may use it.

`SCRIPT` creates the schema or migrates it from any version. Several processes may run it at once:
it is one transaction that first takes an advisory lock, which also works through PgBouncer. It
looks before it creates, because `IF NOT EXISTS` needs the right to create even where all exists.
`python -m rag.conversations.migrations` prints it for a database administrator.
`rag.adapters.database.postgres.Postgres` runs it when a statement refers to something that does not
exist, so the first statement that needs a migration applies it.

Everything is in a schema named `book`, because the database may contain other tables, perhaps named
`sessions`. Names are always qualified, because a search path would be session state.
"""

import sys
from collections.abc import Sequence

from rag.conversations.budget_migration import SHARES

_SESSIONS = """
-- turns: number of the last turn. Incremented to number a new turn.
CREATE TABLE book.sessions (
  session_id uuid PRIMARY KEY,
  turns integer NOT NULL,
  used_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON book.sessions (used_at);

-- request_key: prevents a repeated request from adding a second turn.
-- embedding: key of the question's cached embedding, if any.
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

-- Half-precision floats, little-endian. A row is deleted with the last turn that refers to it.
CREATE TABLE book.embeddings (
  key uuid PRIMARY KEY,
  vector bytea NOT NULL
);
ALTER TABLE book.embeddings ALTER COLUMN vector SET STORAGE EXTERNAL;

-- Time of the last search for expired conversations.
CREATE TABLE book.upkeep (done_at timestamptz NOT NULL);
INSERT INTO book.upkeep VALUES (now());

-- free_at: theoretical arrival time (GCRA). Unlogged, because losing it in a crash is acceptable.
CREATE UNLOGGED TABLE book.rates (
  key uuid PRIMARY KEY,
  free_at timestamptz NOT NULL
);
CREATE TABLE book.days (
  day date PRIMARY KEY,
  questions bigint NOT NULL,
  tokens bigint NOT NULL
);

-- Delete sessions, their turns, and embeddings that no other turn refers to. Returns the number
-- of deleted turns. The advisory lock serializes deletions of sessions that share an embedding.
-- The row locks wait for a turn that is being saved, so that the next statement sees it.
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

-- Delete up to `batch` sessions unused for `days`. Returns their number. If none are left, the next
-- run is due in an hour.
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

_FUNCTIONS = """
-- Statements that run for every question are functions, because PostgreSQL plans a function's
-- statements once per connection. Planning a client's statements takes longer than running them.

-- Count one request under each of `keys` and reserve `set_aside` tokens of the daily budget; see
-- rag/conversations/rate_limits.py.
--
-- Keys are charged in order, up to the first that is refused, so a refused address adds no rows
-- for made-up session ids. All callers put addresses before sessions, which prevents deadlocks. A
-- timestamp more than a minute beyond the possible maximum predates a clock change and is reset;
-- the minute allows for lock waits. The budget is charged only if all keys were admitted. Commits
-- are asynchronous: a crash may lose the counts of the last half second.
CREATE FUNCTION book.admit(
  keys uuid[], tick interval, burst interval, asked bigint, set_aside bigint,
  daily_questions bigint, daily_tokens bigint,
  OUT today date, OUT booked boolean, OUT refused boolean, OUT wait double precision,
  OUT upkeep_due boolean
) LANGUAGE plpgsql AS $admit$
DECLARE
  latest timestamptz := now() + burst;
  reader uuid;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  today := (now() AT TIME ZONE 'UTC')::date;
  booked := false;
  refused := false;
  FOREACH reader IN ARRAY keys LOOP
    INSERT INTO book.rates AS r (key, free_at) VALUES (reader, now() + tick)
    ON CONFLICT (key) DO UPDATE SET free_at = tick + CASE
      WHEN r.free_at > latest + interval '1 minute' THEN now()
      ELSE greatest(r.free_at, now()) END
    WHERE r.free_at + tick <= latest OR r.free_at > latest + interval '1 minute';
    refused := NOT FOUND;
    IF refused THEN
      SELECT extract(epoch FROM free_at + tick - latest) INTO wait
      FROM book.rates WHERE key = reader;
      RETURN;
    END IF;
  END LOOP;
  IF asked > 0 THEN
    INSERT INTO book.days AS d (day, questions, tokens)
    SELECT today, asked, set_aside
    WHERE coalesce(daily_questions >= asked, true) AND coalesce(daily_tokens >= set_aside, true)
    ON CONFLICT (day) DO UPDATE SET
      questions = d.questions + excluded.questions, tokens = d.tokens + excluded.tokens
    WHERE coalesce(d.questions + excluded.questions <= daily_questions, true)
      AND coalesce(d.tokens + excluded.tokens <= daily_tokens, true);
    booked := FOUND;
  END IF;
  SELECT done_at < now() - interval '1 hour' INTO upkeep_due FROM book.upkeep;
END $admit$;

-- Append a turn to a session and cache its question's embedding. `fresh` creates the session. `n`
-- is NULL, and nothing is saved, if the session no longer exists.
CREATE FUNCTION book.append(
  session uuid, fresh boolean, retention_days integer, request uuid, question text, answer text,
  sources jsonb, metadata jsonb, embedding uuid, vector bytea,
  OUT n integer, OUT upkeep_due boolean
) LANGUAGE plpgsql AS $append$
BEGIN
  IF fresh THEN
    INSERT INTO book.sessions (session_id, turns) VALUES (session, 1) RETURNING turns INTO n;
  ELSE
    UPDATE book.sessions SET turns = turns + 1, used_at = now()
    WHERE session_id = session AND used_at > now() - make_interval(days => retention_days)
    RETURNING turns INTO n;
    IF NOT FOUND THEN
      RETURN;
    END IF;
  END IF;
  IF embedding IS NOT NULL THEN
    INSERT INTO book.embeddings (key, vector) VALUES (embedding, vector) ON CONFLICT DO NOTHING;
  END IF;
  INSERT INTO book.turns
    (session_id, n, request_key, created_at, question, answer, sources, metadata, embedding)
  VALUES
    (session, n, request, clock_timestamp(), question, answer, sources, metadata, embedding);
  SELECT done_at < now() - interval '1 hour' INTO upkeep_due FROM book.upkeep;
END $append$;
"""

_UPKEEP = """
-- Like `expire`, which it calls, and correct what a clock that was ahead has left: conversations
-- would never expire, and shares and budgets of days to come would be used up.
CREATE FUNCTION book.keep_up(days integer, batch integer) RETURNS integer
LANGUAGE plpgsql AS $keep_up$
DECLARE
  today date := (now() AT TIME ZONE 'UTC')::date;
  deleted integer;
BEGIN
  PERFORM pg_advisory_xact_lock(62831853);
  UPDATE book.sessions SET used_at = now() WHERE used_at > now() + interval '1 minute';
  DELETE FROM book.rates r WHERE r.day > today + 1 OR r.free_at > now() + interval '7 days';
  DELETE FROM book.days d WHERE d.day > today + 1;
  deleted := book.expire(days, batch);
  IF NOT EXISTS (SELECT FROM book.upkeep) THEN
    INSERT INTO book.upkeep VALUES (now());
  END IF;
  RETURN deleted;
END $keep_up$;
"""

MIGRATIONS = (_SESSIONS, _FUNCTIONS, SHARES, _UPKEEP)
"""Migrations in order. Never change a released one: a database at version n has had the first n."""
NEWEST = "book.keep_up(integer, integer)"
"""A function of the last migration. A statement that names it upgrades the tables first."""

UPKEEP_DUE = """coalesce((
  SELECT min(done_at) NOT BETWEEN now() - interval '1 hour' AND now() + interval '1 minute'
  FROM book.upkeep
), true)"""
"""Whether expired rows should be deleted. A time ahead of now is from a clock that was wrong; the
functions that return `upkeep_due` trust it."""

_FRAME = """
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DO $migrate$
DECLARE
  done integer;
BEGIN
  PERFORM pg_advisory_xact_lock(62831854);
  IF to_regnamespace('book') IS NULL THEN
    CREATE SCHEMA book;
  END IF;
  IF to_regclass('book.migrations') IS NULL THEN
    CREATE TABLE book.migrations (
      version integer PRIMARY KEY, done_at timestamptz NOT NULL DEFAULT now()
    );
  END IF;
  done := (SELECT coalesce(max(version), 0) FROM book.migrations);
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
    """Return one script that migrates a database from any version to the latest."""
    steps = [
        _STEP.format(number=number, migration=migration)
        for number, migration in enumerate(migrations, 1)
    ]
    return _FRAME.format(steps="".join(steps))


SCRIPT = script(MIGRATIONS)

if __name__ == "__main__":
    sys.stdout.write(SCRIPT)
