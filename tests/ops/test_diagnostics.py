"""Diagnostics: one line per service, its remedy, and the exit status."""

from __future__ import annotations

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
from rag.ops.diagnostics import SERVICES
from rag.ops.remedies import remedy_for
from tests.ops.conftest import Doctor
from tests.support.postgres import query
from tests.support.service import environment, run
from tests.upstreams import Upstreams

NEON = "postgresql://reader:hunter2@ep-cool-1234.eu-central-1.aws.neon.tech/neondb?sslmode=require"


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
    remedy = remedy_for("qdrant", failed("qdrant", "connection"), settings)
    assert remedy.startswith("Check that the server is running")


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
