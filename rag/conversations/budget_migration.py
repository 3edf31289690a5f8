"""The migration that adds shares of the day, budgets of calls and bytes, and a limit of turns."""

SHARES = """
-- Each reader's and each conversation's part of the day's budgets, in the row of its rate. `day` is
-- the day that the counts belong to. Logged, because hosts that sleep empty unlogged tables.
ALTER TABLE book.rates SET LOGGED;
ALTER TABLE book.rates
  ADD COLUMN day date,
  ADD COLUMN questions bigint NOT NULL DEFAULT 0,
  ADD COLUMN tokens bigint NOT NULL DEFAULT 0,
  ADD COLUMN calls bigint NOT NULL DEFAULT 0,
  ADD COLUMN bytes bigint NOT NULL DEFAULT 0;
-- calls: paid embedding and reranking calls. bytes: size of the saved turns.
ALTER TABLE book.days
  ADD COLUMN calls bigint NOT NULL DEFAULT 0,
  ADD COLUMN bytes bigint NOT NULL DEFAULT 0;

-- Add `more` questions, tokens, calls and bytes to the counts of a day. Rows are locked in the
-- order in which `admit` locks them, which prevents deadlocks.
CREATE FUNCTION book.charge(keys uuid[], charged date, more bigint[]) RETURNS void
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
-- see rag/conversations/rate_limits.py. This takes the place of the function of the same name with
-- other parameters, which is kept for processes of the last version while they are replaced.
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
CREATE FUNCTION book.admit(
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

-- Like the older function with fewer parameters, with a limit on the turns of a conversation.
-- `filled` says that it is reached, and that nothing was saved.
CREATE FUNCTION book.append(
  session uuid, fresh boolean, retention_days integer, request uuid, question text, answer text,
  sources jsonb, metadata jsonb, embedding uuid, vector bytea, most_turns integer,
  OUT n integer, OUT upkeep_due boolean, OUT filled boolean
) LANGUAGE plpgsql AS $append$
BEGIN
  -- Locks the row, so that concurrent questions are counted one after the other.
  SELECT turns >= most_turns INTO filled FROM book.sessions WHERE session_id = session FOR UPDATE;
  filled := coalesce(filled, false);
  IF NOT filled THEN
    SELECT a.n, a.upkeep_due INTO n, upkeep_due FROM book.append(
      session, fresh, retention_days, request, question, answer, sources, metadata, embedding,
      vector
    ) a;
  END IF;
END $append$;
"""
