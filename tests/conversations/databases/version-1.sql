CREATE SCHEMA book;
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
    tokens bigint NOT NULL
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
CREATE UNLOGGED TABLE book.rates (
    key uuid NOT NULL,
    free_at timestamp with time zone NOT NULL
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
INSERT INTO book.days VALUES ('2026-11-01', 2, 300);
INSERT INTO book.embeddings VALUES ('22222222-2222-4222-8222-222222222222', '\x003800b4');
INSERT INTO book.migrations VALUES (1, '2026-11-29 02:43:08.090574+00');
INSERT INTO book.rates VALUES ('7a3ea02f-3603-48cb-8472-447bd748eb83', '2026-11-29 02:43:08.20031+00');
INSERT INTO book.sessions VALUES ('11111111-1111-4111-8111-111111111111', 2, '2026-11-01 12:00:00+00');
INSERT INTO book.turns VALUES ('11111111-1111-4111-8111-111111111111', 1, '88cd00a3-8314-474b-a399-10aca8175d9b', '2026-11-01 12:00:00+00', 'Wie heißt „das“? – 世', 'It is [1].', '[{"url": "", "slug": "a#b", "score": 0.9, "title": "T", "section": "S", "snippet": "x", "chunk_id": "c"}]', '{"answered": true}', 1, 'good', '22222222-2222-4222-8222-222222222222');
INSERT INTO book.turns VALUES ('11111111-1111-4111-8111-111111111111', 2, 'e095aa3f-e375-48a8-a62a-1ea59e3932eb', '2026-11-01 12:00:00+00', 'And then?', 'It is [1].', '[{"url": "", "slug": "a#b", "score": 0.9, "title": "T", "section": "S", "snippet": "x", "chunk_id": "c"}]', '{"answered": true}', 1, 'good', '22222222-2222-4222-8222-222222222222');
INSERT INTO book.upkeep VALUES ('2026-11-29 02:43:08.090574+00');
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
