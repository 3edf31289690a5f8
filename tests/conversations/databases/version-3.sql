CREATE SCHEMA book;
CREATE FUNCTION book.admit(keys uuid[], tick interval, burst interval, asked bigint, set_aside bigint, daily_questions bigint, daily_tokens bigint, OUT today date, OUT booked boolean, OUT refused boolean, OUT wait double precision, OUT upkeep_due boolean) RETURNS record
    LANGUAGE plpgsql
    AS $$
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
END $$;
CREATE FUNCTION book.admit(keys uuid[], weights integer[], tick interval, burst interval, charged date, cost bigint[], daily bigint[], share bigint[], OUT today date, OUT model smallint, OUT calls smallint, OUT bytes smallint, OUT refused boolean, OUT wait double precision, OUT upkeep_due boolean) RETURNS record
    LANGUAGE plpgsql
    AS $$
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
END $$;
CREATE FUNCTION book.append(session uuid, fresh boolean, retention_days integer, request uuid, question text, answer text, sources jsonb, metadata jsonb, embedding uuid, vector bytea, OUT n integer, OUT upkeep_due boolean) RETURNS record
    LANGUAGE plpgsql
    AS $$
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
END $$;
CREATE FUNCTION book.append(session uuid, fresh boolean, retention_days integer, request uuid, question text, answer text, sources jsonb, metadata jsonb, embedding uuid, vector bytea, most_turns integer, OUT n integer, OUT upkeep_due boolean, OUT filled boolean) RETURNS record
    LANGUAGE plpgsql
    AS $$
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
END $$;
CREATE FUNCTION book.charge(keys uuid[], charged date, more bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
END $$;
CREATE FUNCTION book.expire(days integer, batch integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
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
END $$;
CREATE FUNCTION book.forget(doomed uuid[]) RETURNS integer
    LANGUAGE plpgsql
    AS $$
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
END $$;
CREATE TABLE book.days (
    day date NOT NULL,
    questions bigint NOT NULL,
    tokens bigint NOT NULL,
    calls bigint DEFAULT 0 NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL
);
CREATE TABLE book.embeddings (
    key uuid NOT NULL,
    vector bytea NOT NULL
);
ALTER TABLE ONLY book.embeddings ALTER COLUMN vector SET STORAGE EXTERNAL;
CREATE TABLE book.migrations (
    version integer NOT NULL,
    done_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE book.rates (
    key uuid NOT NULL,
    free_at timestamp with time zone NOT NULL,
    day date,
    questions bigint DEFAULT 0 NOT NULL,
    tokens bigint DEFAULT 0 NOT NULL,
    calls bigint DEFAULT 0 NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL
);
CREATE TABLE book.sessions (
    session_id uuid NOT NULL,
    turns integer NOT NULL,
    used_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE book.turns (
    session_id uuid NOT NULL,
    n integer NOT NULL,
    request_key uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    question text NOT NULL,
    answer text NOT NULL,
    sources jsonb NOT NULL,
    metadata jsonb NOT NULL,
    thumbs smallint,
    comment text,
    embedding uuid
);
CREATE TABLE book.upkeep (
    done_at timestamp with time zone NOT NULL
);
INSERT INTO book.days VALUES ('2026-11-01', 2, 300, 0, 0);
INSERT INTO book.embeddings VALUES ('22222222-2222-4222-8222-222222222222', '\x003800b4');
INSERT INTO book.migrations VALUES (1, '2026-11-29 02:43:09.937073+00');
INSERT INTO book.migrations VALUES (2, '2026-11-29 02:43:09.937073+00');
INSERT INTO book.migrations VALUES (3, '2026-11-29 02:43:09.937073+00');
INSERT INTO book.rates VALUES ('1136c803-4245-4bf6-ae5f-17f9c36c3638', '2026-11-29 02:43:10.171656+00', NULL, 0, 0, 0, 0);
INSERT INTO book.sessions VALUES ('11111111-1111-4111-8111-111111111111', 2, '2026-11-01 12:00:00+00');
INSERT INTO book.turns VALUES ('11111111-1111-4111-8111-111111111111', 1, '6a77037e-163d-4f34-bb0e-35fed438b8bb', '2026-11-01 12:00:00+00', 'Wie heißt „das“? – 世', 'It is [1].', '[{"url": "", "slug": "a#b", "score": 0.9, "title": "T", "section": "S", "snippet": "x", "chunk_id": "c"}]', '{"answered": true}', 1, 'good', '22222222-2222-4222-8222-222222222222');
INSERT INTO book.turns VALUES ('11111111-1111-4111-8111-111111111111', 2, '5c68eb1a-de63-47cd-a183-d80ff37619dc', '2026-11-01 12:00:00+00', 'And then?', 'It is [1].', '[{"url": "", "slug": "a#b", "score": 0.9, "title": "T", "section": "S", "snippet": "x", "chunk_id": "c"}]', '{"answered": true}', 1, 'good', '22222222-2222-4222-8222-222222222222');
INSERT INTO book.upkeep VALUES ('2026-11-29 02:43:09.937073+00');
ALTER TABLE ONLY book.days
    ADD CONSTRAINT days_pkey PRIMARY KEY (day);
ALTER TABLE ONLY book.embeddings
    ADD CONSTRAINT embeddings_pkey PRIMARY KEY (key);
ALTER TABLE ONLY book.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY book.rates
    ADD CONSTRAINT rates_pkey PRIMARY KEY (key);
ALTER TABLE ONLY book.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (session_id);
ALTER TABLE ONLY book.turns
    ADD CONSTRAINT turns_pkey PRIMARY KEY (session_id, n);
ALTER TABLE ONLY book.turns
    ADD CONSTRAINT turns_request_key_key UNIQUE (request_key);
CREATE INDEX sessions_used_at_idx ON book.sessions USING btree (used_at);
CREATE INDEX turns_created_at_idx ON book.turns USING btree (created_at);
CREATE INDEX turns_embedding_idx ON book.turns USING btree (embedding) WHERE (embedding IS NOT NULL);
ALTER TABLE ONLY book.turns
    ADD CONSTRAINT turns_session_id_fkey FOREIGN KEY (session_id) REFERENCES book.sessions(session_id) ON DELETE CASCADE;
