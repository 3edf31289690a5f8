"""The tables, and how they come to be. Imports nothing: any floor may read it.

`SCRIPT` creates what is missing and migrates what is old, whichever it finds. Several
processes may run it at once: it is one transaction that begins by taking a lock of its
own, which works through PgBouncer too. `rag.adapters.database.postgres.Postgres` runs it when a
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

_FUNCTIONS = """
-- What every question does is done by functions: a server plans a function's statements once
-- a connection, and those of a client each time, which takes longer than doing them.

-- Count one request under each of `keys` and set `tokens` of the day's budget aside; see
-- rag/conversations/rate_limits.py.
--
-- Keys are charged in the order given up to the first that is refused: who is refused by
-- address leaves no row under session ids that were made up. All callers have addresses before
-- sessions, so none waits for another in a circle. A timestamp further ahead than any charge
-- could have put it, and a minute more for those who waited for its lock, is from before a jump
-- of the clock: it starts anew. The budget is charged only if every key was. Nobody waits for
-- the disk: counts of a crash's last half second may be lost.
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

-- Append a turn to a session, which is made with it if `fresh`, and keep its question's
-- embedding. `n` is NULL, and nothing is kept, where there is no such session any more.
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

MIGRATIONS = (_SESSIONS, _FUNCTIONS)
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
