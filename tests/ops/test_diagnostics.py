"""Diagnostics: one line per service, its remedy, and the exit status."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from rag import providers
from rag.environment import load_settings
from rag.errors import (
    ConfigurationError,
    IndexMismatch,
    IndexMissing,
    Reason,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamTimeout,
)
from rag.ops import diagnostics
from rag.ops.diagnostics import SERVICES, main
from rag.ops.remedies import remedy_for
from rag.settings import Settings
from tests.support.postgres import new_database, query
from tests.support.service import environment, run
from tests.upstreams import Upstreams

NEON = "postgresql://reader:hunter2@ep-cool-1234.eu-central-1.aws.neon.tech/neondb?sslmode=require"


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[str]:
    with new_database(postgres_server) as url:
        yield url


Doctor = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Doctor]:
    """Run it with these variables: its exit status and what it says of each service."""

    def look(**variables: str) -> tuple[int, dict[str, str]]:
        for item in fields(Settings):
            monkeypatch.delenv(item.metadata.get("name", item.name), raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        providers.reset()
        status = asyncio.run(main())
        out, err = capsys.readouterr()
        assert "hunter2" not in out + err
        assert "test-key" not in out + err
        return status, {line.split()[0]: line for line in out.splitlines()}

    yield look
    providers.reset()


def test_what_works_and_what_is_left(doctor: Doctor, upstreams: Upstreams, database: str) -> None:
    upstreams.cohere.quota = {
        "x-trial-endpoint-call-limit": "40",
        "x-trial-endpoint-call-remaining": "38",
        "x-endpoint-monthly-call-limit": "1000",
    }
    upstreams.openai.quota = {
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-limit-tokens": "200000",
        "x-ratelimit-remaining-tokens": "199951",
    }
    status, said = doctor(**upstreams.environ(), DATABASE_URL=database)
    assert status == 0, said
    assert list(said) == ["cohere", "qdrant", "openai", "postgres", "budget"]
    assert "works, 38 of 40 calls left this minute, 1000 per month" in said["cohere"]
    assert "passages, embed-english-v3.0" in said["qdrant"]
    assert "9999 of 10000 requests and 199951 of 200000 tokens left" in said["openai"]
    assert "0 of 5,000,000 tokens and 0 of 5,000 questions used today" in said["budget"]


def test_each_problem_is_reported_with_its_remedy(doctor: Doctor, upstreams: Upstreams) -> None:
    wrong = {
        "COHERE_API_KEY": "co-hunter2",
        "OPENAI_API_KEY": "sk-hunter2-hunter2",
        "QDRANT_COLLECTION": "another",
        "DATABASE_URL": "postgresql://reader:hunter2@127.0.0.1:9/book?sslmode=disable",
    }
    status, said = doctor(**{**upstreams.environ(), **wrong})
    assert status == 1
    assert "401 the key was refused. Create a key" in said["cohere"]
    assert "COHERE_API_KEY" in said["cohere"]
    assert "QDRANT_COLLECTION" in said["qdrant"]
    assert "ingest.py" in said["qdrant"]
    assert "401 the key was refused. Create a key" in said["openai"]
    assert "Connection refused. Check that the server is running" in said["postgres"]


@pytest.mark.parametrize(
    ("service", "name", "wrong"),
    [
        ("cohere", "COHERE_API_KEY", "co-hunter2"),
        ("openai", "OPENAI_API_KEY", "sk-hunter2-hunter2"),
        ("qdrant", "QDRANT_API_KEY", "hunter2"),
        ("openai", "CHAT_MODEL", "gpt-hunter"),
        ("cohere", "COHERE_BASE_URL", "http://cohere.invalid"),
        ("openai", "OPENAI_BASE_URL", "http://openai.invalid/v1"),
        ("qdrant", "QDRANT_URL", "http://qdrant.invalid"),
        ("postgres", "DATABASE_URL", "postgresql://reader:hunter2@postgres.invalid/book"),
    ],
)
def test_the_remedy_of_a_setting_helps(
    doctor: Doctor, upstreams: Upstreams, database: str, service: str, name: str, wrong: str
) -> None:
    right = {**upstreams.environ(), "DATABASE_URL": database}
    status, said = doctor(**{**right, name: wrong})
    assert status == 1
    assert name in said[service]
    status, said = doctor(**right)
    assert status == 0
    assert "works" in said[service]


def test_another_model_than_the_index_and_a_model_that_is_not_there(
    doctor: Doctor, upstreams: Upstreams, database: str
) -> None:
    wrong = {"COHERE_EMBED_MODEL": "embed-multilingual-v3.0", "CHAT_MODEL": "gpt-hunter"}
    status, said = doctor(**{**upstreams.environ(), **wrong, "DATABASE_URL": database})
    assert status == 1
    assert "embed-english-v3.0" in said["qdrant"]
    assert "set COHERE_EMBED_MODEL to the model of the index" in said["qdrant"]
    assert "there is no model gpt-hunter. Set CHAT_MODEL" in said["openai"]
    assert "works" in said["cohere"]


def test_the_remedies_of_an_index_help(
    doctor: Doctor, upstreams: Upstreams, database: str, tmp_path: Path
) -> None:
    """As `set COHERE_EMBED_MODEL to the model of the index`, which the line names."""
    right = {**upstreams.environ(), "DATABASE_URL": database, "DATA_DIR": str(tmp_path)}
    wrong = {
        "COHERE_EMBED_MODEL": "embed-multilingual-v3.0",
        "QDRANT_COLLECTION": "another",
        "COHERE_API_KEY": "",
    }
    for name, value in wrong.items():
        _, said = doctor(**{**right, name: value})
        assert f"set {name}" in said["qdrant"]
        assert "works" not in said["qdrant"]
        model = re.search(r"built with ([\w.-]+),", said["qdrant"])
        remedy = {"COHERE_EMBED_MODEL": model[1]} if model else {}
        assert " works" in doctor(**{**right, **remedy})[1]["qdrant"]


def test_a_key_without_credit_is_found_out(
    doctor: Doctor, upstreams: Upstreams, database: str
) -> None:
    """Its models are still listed, so only a real question finds it."""
    body = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    upstreams.openai.fail(429, path="/v1/chat", times=9, body=body)
    status, said = doctor(**upstreams.environ(), DATABASE_URL=database)
    assert status == 1
    assert "the quota is used up. Add credit" in said["openai"]


def test_a_budget_that_is_used_up(doctor: Doctor, upstreams: Upstreams, database: str) -> None:
    variables = {**upstreams.environ(), "DATABASE_URL": database}
    doctor(**variables)  # makes the tables
    today = "(now() AT TIME ZONE 'UTC')::date"
    query(database, f"INSERT INTO book.days VALUES ({today}, 12, 4998000)")
    status, said = doctor(**variables)
    assert status == 1
    assert "4,998,000 of 5,000,000 tokens and 12 of 5,000 questions" in said["budget"]
    query(database, "DELETE FROM book.days")
    status, said = doctor(**variables, DAILY_TOKEN_BUDGET="100")
    assert status == 1
    assert "the chat model is never used" in said["budget"]


def test_on_a_laptop_all_is_embedded(tmp_path: Path) -> None:
    finished = run("-m", "rag.ops.diagnostics", env=environment(DATA_DIR=str(tmp_path)))
    assert finished.returncode == 1
    cohere, qdrant, openai, postgres, budget = finished.stdout.splitlines()
    assert "nothing is indexed yet. Run python ingest.py PATH" in qdrant
    assert cohere.split() == ["cohere", "embedded", "works"]
    assert openai.split() == ["openai", "embedded", "works"]
    assert postgres.split() == ["postgres", "embedded", "works"]
    assert "no chat model, no budget needed" in budget


# ---------------------------------------------------------------- a database that saves nothing


@pytest.fixture
def given(postgres_server: str) -> Iterator[tuple[str, str, str]]:
    """An administrator's URL, a role that owns the schema `book`, and its URL."""
    role = f"doctor_{uuid.uuid4().hex}"
    with new_database(postgres_server) as admin:
        query(admin, f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        query(admin, f"CREATE SCHEMA book AUTHORIZATION {role}")
        joint = "&" if "?" in admin else "?"
        yield admin, role, f"{admin}{joint}user={role}&password=x"
        query(admin, f"DROP OWNED BY {role} CASCADE")
    query(postgres_server, f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("before", "harm", "remedy", "words"),
    [
        (
            "",
            "ALTER ROLE R SET default_transaction_read_only = on",
            "ALTER ROLE R RESET ALL",
            "read-only transaction (25006). The server takes no changes",
        ),
        (
            "CREATE TRIGGER slow BEFORE INSERT ON book.turns EXECUTE FUNCTION book.slow()",
            "ALTER ROLE R SET statement_timeout = 1",
            "ALTER ROLE R SET statement_timeout = '10s'",
            "ALTER ROLE name SET statement_timeout = '10s'",
        ),
        (
            "",
            "ALTER ROLE R CONNECTION LIMIT 0",
            "ALTER ROLE R CONNECTION LIMIT 20",
            "ALTER ROLE name CONNECTION LIMIT 20",
        ),
        (
            "ALTER SCHEMA book OWNER TO A",
            "REVOKE ALL ON SCHEMA book FROM R",
            "GRANT USAGE ON SCHEMA book TO R",
            "GRANT USAGE ON SCHEMA book TO",
        ),
        (
            "ALTER SCHEMA book OWNER TO A; GRANT USAGE ON SCHEMA book TO R; "
            "ALTER TABLE book.turns OWNER TO A",
            "REVOKE ALL ON book.turns FROM R",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA book TO R",
            "DELETE ON ALL TABLES IN SCHEMA book TO",
        ),
    ],
    ids=["read-only", "timeout", "connections", "schema", "table"],
)
def test_the_remedy_of_a_database_helps(
    doctor: Doctor,
    given: tuple[str, str, str],
    tmp_path: Path,
    before: str,
    harm: str,
    remedy: str,
    words: str,
) -> None:
    admin, role, url = given
    owner = query(admin, "SELECT current_user")[0][0]

    def do(statement: str) -> None:
        query(admin, re.sub(r"\bA\b", owner, re.sub(r"\bR\b", role, statement)))

    def look() -> str:
        return doctor(DATA_DIR=str(tmp_path), DATABASE_URL=url)[1]["postgres"]

    assert look().split() == ["postgres", "configured", "works"]
    query(
        admin,
        """CREATE FUNCTION book.slow() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END'""",
    )
    if before:
        do(before)
    do(harm)
    said = look()
    assert words in said
    assert "works" not in said
    do(remedy)
    assert look().split() == ["postgres", "configured", "works"]


def test_a_database_that_is_missing_is_created(
    doctor: Doctor, postgres_server: str, tmp_path: Path
) -> None:
    name = f"test_{uuid.uuid4().hex}"
    url = f"{postgres_server}{'&' if '?' in postgres_server else '?'}dbname={name}"
    _, said = doctor(DATA_DIR=str(tmp_path), DATABASE_URL=url)
    assert "Create the database with CREATE DATABASE" in said["postgres"]
    query(postgres_server, f"CREATE DATABASE {name}")
    try:
        _, said = doctor(DATA_DIR=str(tmp_path), DATABASE_URL=url)
    finally:
        query(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")
    assert said["postgres"].endswith("works")


def test_a_database_in_another_encoding_is_named(
    doctor: Doctor, postgres_server: str, tmp_path: Path
) -> None:
    name = f"test_{uuid.uuid4().hex}"
    query(
        postgres_server,
        f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 "
        "LOCALE_PROVIDER libc LOCALE 'C'",
    )
    joint = "&" if "?" in postgres_server else "?"
    try:
        url = f"{postgres_server}{joint}dbname={name}"
        _, said = doctor(DATA_DIR=str(tmp_path), DATABASE_URL=url)
    finally:
        query(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")
    assert "encoded in LATIN1 and must be in UTF8 (22P05). Create a database" in said["postgres"]
    query(postgres_server, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    try:
        _, said = doctor(DATA_DIR=str(tmp_path), DATABASE_URL=url)
    finally:
        query(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")
    assert said["postgres"].endswith("works")


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFoundError(2, "No such file or directory", "/hunter2"),
        RuntimeError("hunter2"),
        KeyError("hunter2"),
        ExceptionGroup("hunter2", [ValueError("hunter2")]),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_check_that_fails_does_not_end_the_others(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failure: Exception
) -> None:
    async def fail(clients: providers.Clients) -> None:
        raise failure

    monkeypatch.setattr(diagnostics, "_vectors", fail)
    monkeypatch.setattr(diagnostics, "_notes", fail)
    status, said = doctor(DATA_DIR=str(tmp_path))
    assert status == 1
    assert list(said) == list(SERVICES)
    assert f"the check failed: {getattr(failure, 'strerror', None) or ''}" in said["qdrant"]
    assert type(failure).__name__ in said["qdrant"]
    assert said["postgres"].split() == ["postgres", "embedded", "works"]


# ---------------------------------------------------------------- remedies alone


def failed(service: str, reason: Reason) -> UpstreamError:
    return UpstreamError("any text", service=service, reason=reason)


@pytest.mark.parametrize(
    ("service", "reason", "words"),
    [
        ("cohere", "key", "set COHERE_API_KEY"),
        ("openai", "key", "set OPENAI_API_KEY"),
        ("qdrant", "key", "set QDRANT_API_KEY"),
        ("postgres", "key", "DATABASE_URL again"),
        ("cohere", "quota", "1,000 calls per month"),
        ("openai", "quota", "Add credit"),
        ("cohere", "model", "Set COHERE_EMBED_MODEL"),
        ("openai", "model", "Set CHAT_MODEL"),
        ("cohere", "host", "Check COHERE_BASE_URL"),
        ("openai", "host", "Check OPENAI_BASE_URL"),
        ("qdrant", "host", "deletes free clusters"),
        ("postgres", "host", "Check DATABASE_URL"),
        ("postgres", "full", "free space"),
        ("postgres", "rights", "CREATE SCHEMA book AUTHORIZATION"),
        ("postgres", "database", "CREATE DATABASE"),
        *((service, "busy", "Wait a minute") for service in SERVICES[:4]),
        *((service, "tls", "ca-certificates") for service in SERVICES[:4]),
        ("qdrant", "timeout", "remove the port"),
        ("qdrant", "connection", "remove the port"),
    ],
)
def test_remedies(service: str, reason: Reason, words: str) -> None:
    settings = load_settings({"QDRANT_URL": "https://x.cloud.qdrant.io:6333", "DATABASE_URL": NEON})
    assert words in remedy_for(service, failed(service, reason), settings)


@pytest.mark.parametrize(
    ("service", "error", "words"),
    [
        ("openai", UpstreamOverloaded("429", service="openai"), "Wait a minute"),
        ("qdrant", UpstreamTimeout("slow", service="qdrant"), "remove the port"),
        ("qdrant", IndexMissing("there is no collection"), "python ingest.py PATH"),
        ("qdrant", IndexMismatch("another model"), "set COHERE_EMBED_MODEL to the model of"),
        ("budget", ConfigurationError("used up"), "DAILY_TOKEN_BUDGET"),
    ],
)
def test_remedies_by_class(service: str, error: Exception, words: str) -> None:
    found = {"QDRANT_URL": "https://x.cloud.qdrant.io:6333", "COHERE_API_KEY": "co-hunter2"}
    assert words in remedy_for(service, error, load_settings(found))


def test_an_index_by_cohere_without_its_key() -> None:
    mismatch = IndexMismatch("The index was built with embed-english-v3.0")
    assert "set COHERE_API_KEY" in remedy_for("qdrant", mismatch, load_settings({}))


@pytest.mark.parametrize("service", SERVICES[:4])
def test_the_words_of_a_service_choose_no_remedy(service: str) -> None:
    words = "quota key was refused model certificate tls name resolution connect in time (28P01)"
    error = UpstreamError(words, service=service)
    settings = load_settings({"QDRANT_URL": "https://x.cloud.qdrant.io:6333", "DATABASE_URL": NEON})
    assert remedy_for(service, error, settings) == ""


@pytest.mark.parametrize("url", ["https://x.cloud.qdrant.io", "http://localhost:7333"])
def test_only_qdrants_usual_port_is_suspected(url: str) -> None:
    settings = load_settings({"QDRANT_URL": url})
    assert remedy_for("qdrant", failed("qdrant", "connection"), settings) == ""


@pytest.mark.parametrize(("opens", "word"), [(True, "is blocked"), (False, "may be blocked")])
def test_a_blocked_port_leads_to_sql_over_https(opens: bool, word: str) -> None:
    asked: list[tuple[str, int]] = []

    def probe(host: str, port: int) -> bool:
        asked.append((host, port))
        return opens

    settings = load_settings({"DATABASE_URL": NEON})
    error = UpstreamTimeout("no connection in time", service="postgres")
    told = remedy_for("postgres", error, settings, probe=probe)
    assert f"Port 5432 {word} here" in told
    assert "neon.tech:443" in told
    assert "hunter2" not in told
    assert asked == [("ep-cool-1234.eu-central-1.aws.neon.tech", 443)]


def test_a_database_elsewhere_is_not_sent_to_neon() -> None:
    settings = load_settings({"DATABASE_URL": "postgresql://u:hunter2@db.example:6432/book"})
    told = remedy_for(
        "postgres", UpstreamTimeout("no answer in time", service="postgres"), settings
    )
    assert "6432" in told
    assert "Neon" not in told


# ---------------------------------------------------------------- dimensions


def test_an_index_with_other_dimensions_is_found(
    doctor: Doctor, upstreams: Upstreams, database: str, tmp_path: Path
) -> None:
    (tmp_path / "page.md").write_text("# Ports\n\nThe service listens on port 7860.\n")
    made = {**upstreams.environ(), "DATABASE_URL": database, "QDRANT_COLLECTION": "dimensions"}
    made |= {"COHERE_EMBED_MODEL": "embed-v4.0"}

    def index(**variables: str) -> None:
        finished = run("ingest.py", str(tmp_path), env=environment(**made, **variables))
        assert finished.returncode == 0, finished.stderr

    index()
    status, said = doctor(**made)
    assert status == 0, said
    status, said = doctor(**made, EMBED_DIMENSIONS="512")
    assert status == 1
    assert "have 1024 dimensions, but those of questions have 512" in said["qdrant"]
    assert "set EMBED_DIMENSIONS to those of the index" in said["qdrant"]
    index(EMBED_DIMENSIONS="512")
    status, said = doctor(**made, EMBED_DIMENSIONS="512")
    assert status == 0, said
    status, said = doctor(**made)
    assert "have 512 dimensions, but those of questions have 1024" in said["qdrant"]
    # The models of version 3 have dimensions of their own.
    status, said = doctor(
        **{**upstreams.environ(), "DATABASE_URL": database}, EMBED_DIMENSIONS="256"
    )
    assert status == 0, said
