"""The database schema and its migrations. Imports only SQL, so any layer may use it.

`SCRIPT` creates the tables in their present form, or changes those of an earlier version, and then
creates or replaces the functions. Functions of earlier versions with other parameters are left
alone, for processes of those versions that still run. Several processes may run it at once:
it is one transaction that first takes an advisory lock, which also works through PgBouncer. It
looks before it creates, because `IF NOT EXISTS` needs the right to create even where all exists.
`python -m rag.conversations.migrations` prints it for a database administrator.
`rag.adapters.database.postgres.Postgres` runs it when a statement refers to something that does not
exist, so the first statement that needs a migration applies it.

Everything is in a schema named `book`, because the database may contain other tables, perhaps named
`sessions`. Names are always qualified, because a search path would be session state.
"""

import sys
from collections.abc import Mapping

VERSION = 4
"""Recorded in the database. Whatever changes below needs the next number."""

_TABLES = """
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

-- free_at: theoretical arrival time (GCRA). The counts are the part of the day's budgets that a
-- reader or a conversation has used on `day`.
CREATE TABLE book.rates (
  key uuid PRIMARY KEY,
  free_at timestamptz NOT NULL,
  day date,
  questions bigint NOT NULL DEFAULT 0,
  tokens bigint NOT NULL DEFAULT 0,
  calls bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0
);
-- calls: paid embedding and reranking calls. bytes: size of the saved turns.
CREATE TABLE book.days (
  day date PRIMARY KEY,
  questions bigint NOT NULL,
  tokens bigint NOT NULL,
  calls bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0
);
"""

CHANGES = {
    3: """
-- Logged, because hosts that sleep empty unlogged tables.
ALTER TABLE book.rates SET LOGGED;
ALTER TABLE book.rates
  ADD COLUMN day date,
  ADD COLUMN questions bigint NOT NULL DEFAULT 0,
  ADD COLUMN tokens bigint NOT NULL DEFAULT 0,
  ADD COLUMN calls bigint NOT NULL DEFAULT 0,
  ADD COLUMN bytes bigint NOT NULL DEFAULT 0;
ALTER TABLE book.days
  ADD COLUMN calls bigint NOT NULL DEFAULT 0,
  ADD COLUMN bytes bigint NOT NULL DEFAULT 0;
"""
}
"""How the tables of earlier versions are changed, by the version that has the change. They only
add, so that earlier versions can go on using the tables."""

_FUNCTIONS = """
-- Statements that run for every question are functions, because PostgreSQL plans a function's
-- statements once per connection. Planning a client's statements takes longer than running them.

-- Add `more` questions, tokens, calls and bytes to the counts of a day. Rows are locked in the
-- order in which `admit` locks them, which prevents deadlocks.
CREATE OR REPLACE FUNCTION book.charge(keys uuid[], charged date, more bigint[]) RETURNS void
LANGUAGE plpgsql AS $charge$
DECLARE
  reader uuid;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  FOREACH reader IN ARRAY keys LOOP
    UPDATE book.rates SET
      questions = greatest(0, questions + more[1]), tokens = greatest(0, tokens + more[2]),
      calls = greatest(0, calls + more[3]), bytes = greatest(0, bytes + more[4])
    WHERE key = reader AND day = charged;
  END LOOP;
  UPDATE book.days SET
    questions = greatest(0, questions + more[1]), tokens = greatest(0, tokens + more[2]),
    calls = greatest(0, calls + more[3]), bytes = greatest(0, bytes + more[4])
  WHERE day = charged;
END $charge$;

-- Count one request under each of `keys` and reserve its cost (questions, tokens, calls, bytes);
-- see rag/conversations/rate_limits.py.
--
-- A key of weight 2 has twice the rate and twice the share. If any key is over its rate, the
-- exception takes back what the others were charged, and their new rows. Otherwise the cost is
-- added everywhere, and whatever is over a limit then is taken off again: the row locks hide that
-- from others. The model (questions and tokens), calls and bytes are reserved separately. Each is
-- 0 if it was reserved, 1 if it exceeds a share, and 2 if it exceeds the day's budget.
--
-- A timestamp more than a minute beyond the possible maximum predates a clock change and is reset;
-- the minute allows for lock waits. At midnight a row may already be in the next day; it is then
-- charged there. Commits are asynchronous: a crash may lose the counts of the last half second.
CREATE OR REPLACE FUNCTION book.admit(
  keys uuid[], weights integer[], tick interval, burst interval, charged date,
  cost bigint[], daily bigint[], share bigint[],
  OUT today date, OUT model smallint, OUT calls smallint, OUT bytes smallint,
  OUT refused boolean, OUT wait double precision, OUT upkeep_due boolean
) LANGUAGE plpgsql AS $admit$
DECLARE
  latest timestamptz := now() + burst;
  r record;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  today := coalesce(charged, (now() AT TIME ZONE 'UTC')::date);
  model := 0;
  calls := 0;
  bytes := 0;
  refused := false;
  BEGIN
    FOR i IN 1 .. cardinality(keys) LOOP
      INSERT INTO book.rates AS k (key, free_at, day, questions, tokens, calls, bytes)
      VALUES (keys[i], now() + tick / weights[i], today, cost[1], cost[2], cost[3], cost[4])
      ON CONFLICT (key) DO UPDATE SET
        free_at = tick / weights[i] + CASE
          WHEN k.free_at > latest + interval '1 minute' THEN now()
          ELSE greatest(k.free_at, now()) END,
        day = greatest(k.day, today),
        questions = cost[1] + CASE WHEN k.day >= today THEN k.questions ELSE 0 END,
        tokens = cost[2] + CASE WHEN k.day >= today THEN k.tokens ELSE 0 END,
        calls = cost[3] + CASE WHEN k.day >= today THEN k.calls ELSE 0 END,
        bytes = cost[4] + CASE WHEN k.day >= today THEN k.bytes ELSE 0 END
      WHERE k.free_at + tick / weights[i] <= latest
        OR k.free_at > latest + interval '1 minute'
      RETURNING k.questions, k.tokens, k.calls, k.bytes INTO r;
      IF NOT FOUND THEN
        SELECT extract(epoch FROM free_at + tick / weights[i] - latest) INTO wait
        FROM book.rates WHERE key = keys[i];
        RAISE EXCEPTION USING ERRCODE = 'BK429';
      END IF;
      IF cost[1] > 0 AND r.questions > share[1] * weights[i]
        OR cost[2] > 0 AND r.tokens > share[2] * weights[i] THEN model := 1; END IF;
      IF cost[3] > 0 AND r.calls > share[3] * weights[i] THEN calls := 1; END IF;
      IF cost[4] > 0 AND r.bytes > share[4] * weights[i] THEN bytes := 1; END IF;
    END LOOP;
  EXCEPTION WHEN SQLSTATE 'BK429' THEN
    refused := true;
    RETURN;
  END;
  IF cost <> '{0,0,0,0}' THEN
    INSERT INTO book.days AS d (day, questions, tokens, calls, bytes)
    VALUES (today, cost[1], cost[2], cost[3], cost[4])
    ON CONFLICT (day) DO UPDATE SET
      questions = d.questions + cost[1], tokens = d.tokens + cost[2],
      calls = d.calls + cost[3], bytes = d.bytes + cost[4]
    RETURNING d.questions, d.tokens, d.calls, d.bytes INTO r;
    IF cost[1] > 0 AND r.questions > daily[1] OR cost[2] > 0 AND r.tokens > daily[2] THEN
      model := 2;
    END IF;
    IF cost[3] > 0 AND r.calls > daily[3] THEN calls := 2; END IF;
    IF cost[4] > 0 AND r.bytes > daily[4] THEN bytes := 2; END IF;
    IF model + calls + bytes > 0 THEN
      PERFORM book.charge(keys, today, ARRAY[
        CASE WHEN model > 0 THEN -cost[1] ELSE 0 END, CASE WHEN model > 0 THEN -cost[2] ELSE 0 END,
        CASE WHEN calls > 0 THEN -cost[3] ELSE 0 END, CASE WHEN bytes > 0 THEN -cost[4] ELSE 0 END
      ]);
    END IF;
  END IF;
  SELECT done_at < now() - interval '1 hour' INTO upkeep_due FROM book.upkeep;
END $admit$;

-- Append a turn to a session and cache its question's embedding. `fresh` creates the session. `n`
-- is NULL, and nothing is saved, if the session no longer exists, or if it is `filled`: it has
-- `most_turns` already.
CREATE OR REPLACE FUNCTION book.append(
  session uuid, fresh boolean, retention_days integer, request uuid, question text, answer text,
  sources jsonb, metadata jsonb, embedding uuid, vector bytea, most_turns integer,
  OUT n integer, OUT upkeep_due boolean, OUT filled boolean
) LANGUAGE plpgsql AS $append$
BEGIN
  -- Locks the row, so that concurrent questions are counted one after the other.
  SELECT turns >= most_turns INTO filled FROM book.sessions WHERE session_id = session FOR UPDATE;
  filled := coalesce(filled, false);
  IF filled THEN
    RETURN;
  END IF;
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

-- Delete sessions, their turns, and embeddings that no other turn refers to. Returns the number
-- of deleted turns. The advisory lock serializes deletions of sessions that share an embedding.
-- The row locks wait for a turn that is being saved, so that the next statement sees it.
CREATE OR REPLACE FUNCTION book.forget(doomed uuid[]) RETURNS integer LANGUAGE plpgsql AS $forget$
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
-- run is due in an hour. Also corrects what a clock that was ahead has left: conversations would
-- never expire, and shares and budgets of days to come would be used up.
CREATE OR REPLACE FUNCTION book.keep_up(days integer, batch integer) RETURNS integer
LANGUAGE plpgsql AS $keep_up$
DECLARE
  today date := (now() AT TIME ZONE 'UTC')::date;
  doomed uuid[];
BEGIN
  PERFORM pg_advisory_xact_lock(62831853);
  UPDATE book.sessions SET used_at = now() WHERE used_at > now() + interval '1 minute';
  DELETE FROM book.rates r WHERE r.day > today + 1 OR r.free_at > now() + interval '7 days';
  DELETE FROM book.days d WHERE d.day > today + 1;
  doomed := ARRAY(
    SELECT session_id FROM book.sessions WHERE used_at < now() - make_interval(days => days)
    ORDER BY used_at LIMIT batch FOR UPDATE SKIP LOCKED
  );
  PERFORM book.forget(doomed);
  IF cardinality(doomed) < batch THEN
    UPDATE book.upkeep SET done_at = now();
    DELETE FROM book.rates WHERE free_at < now() - interval '1 day';
  END IF;
  IF NOT EXISTS (SELECT FROM book.upkeep) THEN
    INSERT INTO book.upkeep VALUES (now());
  END IF;
  RETURN cardinality(doomed);
END $keep_up$;
"""

NEWEST = "book.keep_up(integer, integer)"
"""A function of the last version. A statement that names it upgrades the tables first."""

UPKEEP_DUE = """coalesce((
  SELECT min(done_at) NOT BETWEEN now() - interval '1 hour' AND now() + interval '1 minute'
  FROM book.upkeep
), true)"""
"""Whether expired rows should be deleted. A time ahead of now is from a clock that was wrong; the
functions that return `upkeep_due` trust it."""

_SCRIPT = """
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
  IF done = 0 THEN
{tables}
  END IF;
{changes}
  IF done < {version} THEN
{functions}
    INSERT INTO book.migrations (version) VALUES ({version});
  END IF;
END $migrate$;
"""


def script(version: int, changes: Mapping[int, str]) -> str:
    """Return one script that creates the tables and functions, or upgrades those of any version."""
    steps = [
        f"IF done BETWEEN 1 AND {number - 1} THEN {change} END IF;"
        for number, change in sorted(changes.items())
    ]
    return _SCRIPT.format(
        tables=_TABLES, changes="\n".join(steps), functions=_FUNCTIONS, version=version
    )


SCRIPT = script(VERSION, CHANGES)

if __name__ == "__main__":
    sys.stdout.write(SCRIPT)
