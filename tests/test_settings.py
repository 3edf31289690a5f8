"""Settings: what the environment may say, and what is said back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.environment import load_settings
from rag.errors import ConfigurationError
from rag.settings import PLATFORMS, SECRETS, VARIABLES, table
from tests.support.service import ROOT, environment, run

SECRET_VALUES = {
    "COHERE_API_KEY": "co-secret",
    "OPENAI_API_KEY": "sk-secret",
    "QDRANT_URL": "https://secret.cloud.qdrant.io",
    "QDRANT_API_KEY": "qd-secret",
    "DATABASE_URL": "postgresql://u:secret@db.example/neondb?sslmode=require",
}


def test_a_laptop_needs_nothing() -> None:
    settings = load_settings({})
    settings.require()
    assert settings.port == 7860
    assert settings.preview_url() == "http://localhost:7860/book"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_host_names_all_that_is_missing_in_one_line(platform: str) -> None:
    settings = load_settings({platform: "x", "OPENAI_API_KEY": "sk", "QDRANT_API_KEY": " "})
    with pytest.raises(ConfigurationError) as caught:
        settings.require()
    assert str(caught.value) == (
        "Configuration error: Missing COHERE_API_KEY, QDRANT_URL, QDRANT_API_KEY, DATABASE_URL"
    )


def test_an_embedded_demo_on_a_host_is_meant() -> None:
    load_settings({"SPACE_ID": "a/b", "EMBEDDED": "1"}).require()


def test_a_function_asks_only_for_the_secrets_it_needs() -> None:
    settings = load_settings({"AWS_LAMBDA_FUNCTION_NAME": "delete"})
    assert settings.missing(("DATABASE_URL",)) == ["DATABASE_URL"]


def test_values_are_parsed() -> None:
    settings = load_settings(
        {
            "PORT": "8000",
            "ALLOWED_ORIGINS": "https://a.example/, https://b.example",
            "LOG_QUESTIONS": "true",
            "SITE_URL": "https://a.example/",
            "STARTER_QUESTIONS": "What, exactly?|Why?",
            "DATA_DIR": "~/book",
        }
    )
    assert settings.port == 8000
    assert settings.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.log_questions is True
    assert settings.site_url == "https://a.example"
    assert settings.starter_questions == ("What, exactly?", "Why?")
    assert settings.data_dir == Path.home() / "book"


@pytest.mark.parametrize(
    ("variables", "address", "url"),
    [
        ({}, "127.0.0.1", "http://localhost:7860/book"),
        ({}, "::ffff:127.0.0.1", "http://localhost:7860/book"),
        ({"PORT": "80", "BASE_PATH": "kb/"}, "::1", "http://localhost:80/kb/book"),
        ({"HOST": "[::1]"}, "::1", "http://[::1]:7860/book"),
        ({"HOST": "127.0.0.2"}, "", "http://127.0.0.2:7860/book"),
        # Behind a proxy on the same machine, a reader is elsewhere.
        ({}, "203.0.113.7", "book"),
        ({}, "unknown", "book"),
        ({"BASE_PATH": "/kb"}, "203.0.113.7", "book"),
        ({"HOST": "0.0.0.0"}, "127.0.0.1", "book"),
        ({"HOST": "::"}, "2001:db8::1", "book"),
        ({"VERCEL": "1"}, "", "book"),
        ({"SPACE_ID": "a/b", "SPACE_HOST": "a.hf.space"}, "1.2.3.4", "https://a.hf.space/book"),
        # Without a preview there is no link to it.
        ({"QDRANT_URL": "https://q.example"}, "127.0.0.1", ""),
        ({"SPACE_ID": "a/b", "SPACE_HOST": "h", "QDRANT_URL": "https://q.example"}, "", ""),
        ({"ROUTES": "chat,page"}, "127.0.0.1", ""),
    ],
)
def test_the_address_of_the_preview(variables: dict[str, str], address: str, url: str) -> None:
    assert load_settings(variables).preview_url(address) == url


@pytest.mark.parametrize(
    ("value", "path"),
    [("/", ""), ("kb", "/kb"), ("/kb/", "/kb"), ("//kb//", "/kb"), ("b%C3%BCch", "/büch")],
)
def test_a_base_path_in_any_spelling(value: str, path: str) -> None:
    assert load_settings({"BASE_PATH": value}).base_path == path


@pytest.mark.parametrize("value", ["https://book.example/kb", "/kb?x", "/a b", "kb#x", "a//b"])
def test_what_is_no_base_path(value: str) -> None:
    with pytest.raises(ConfigurationError, match="BASE_PATH must be a path such as /api"):
        load_settings({"BASE_PATH": value})


@pytest.mark.parametrize(
    ("value", "host", "local"),
    [
        ("[::]", "::", False),
        ("0:0:0:0:0:0:0:1", "::1", True),
        ("127.0.0.9", "127.0.0.9", True),
        ("LocalHost", "localhost", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("[::ffff:c000:201]", "192.0.2.1", False),
        ("book.internal", "book.internal", False),
    ],
)
def test_a_host_in_any_spelling(value: str, host: str, local: bool) -> None:
    settings = load_settings({"HOST": value})
    assert (settings.host, settings.local) == (host, local)


def test_a_default_may_be_set_as_it_is() -> None:
    assert load_settings({"TOKEN_PRICE": "0"}).token_price == 0
    with pytest.raises(ConfigurationError, match="TOKEN_PRICE must be a positive number"):
        load_settings({"TOKEN_PRICE": "-1"})


def test_malformed_values_are_named_together_and_never_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(
            {
                "PORT": "hunter2",
                "EMBEDDED": "hunter2",
                "QDRANT_URL": "hunter2.cloud.qdrant.io",
                "DATABASE_URL": "hunter2@neon",
                "SITE_URL": "ftp://hunter2",
                "RETENTION_DAYS": "-1",
            }
        )
    sentence = str(caught.value)
    assert "hunter2" not in sentence
    for name in ("PORT", "EMBEDDED", "QDRANT_URL", "DATABASE_URL", "SITE_URL", "RETENTION_DAYS"):
        assert name in sentence


@pytest.mark.parametrize(
    "token", ["short", "fifteen-letters", "sixteen letters and spaces", "ü" * 16]
)
def test_a_token_that_could_be_guessed_or_not_be_sent_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError, match="ADMIN_TOKEN must be 16 or more") as caught:
        load_settings({"ADMIN_TOKEN": token})
    assert token not in str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    shown = repr(load_settings({**SECRET_VALUES, "ADMIN_TOKEN": "secret-of-the-author"}))
    assert "secret" not in shown


def test_the_five_secrets_are_settings() -> None:
    assert set(SECRETS) == set(SECRET_VALUES)
    names = set(VARIABLES)
    assert set(SECRETS) <= names


@pytest.mark.parametrize("command", [("router.py",), ("-m", "uvicorn", "router:app")])
def test_a_host_without_secrets_stops_with_one_line(command: tuple[str, ...]) -> None:
    finished = run(*command, env=environment(SPACE_ID="a/b", OPENAI_API_KEY="sk-hunter2"))
    assert finished.returncode == 1
    assert finished.stderr.strip() == (
        "Configuration error: Missing COHERE_API_KEY, QDRANT_URL, QDRANT_API_KEY, DATABASE_URL"
    )
    assert "hunter2" not in finished.stdout


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"DATABASE_URL": "postgresql://u:hunter2/3@db/book"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://u:hunter2@[::1/book"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://u:hunter2@db/book?sslmode=on"}, "DATABASE_URL"),
        (
            {"DATABASE_URL": "postgres://u@db/b?sslmode=require&sslrootcert=/hunter2"},
            "DATABASE_URL",
        ),
        ({"QDRANT_URL": "https://db:hunter2"}, "QDRANT_URL"),
        ({"DATA_DIR": "~hunter2/x"}, "DATA_DIR"),
        ({"SSL_CERT_FILE": "/hunter2.pem"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": "/dev/null"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": "/tmp"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": "pyproject.toml"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_DIR": "/hunter2"}, "SSL_CERT_DIR"),
        ({"QDRANT_URL": "https://qdrant.example hunter2"}, "QDRANT_URL"),
        ({"HTTPS_PROXY": "http://proxy hunter2.example:1"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "HTTPS_PROXY"),
        ({"https_proxy": "http://u:hunter2/3@proxy.example"}, "https_proxy"),
        ({"HTTP_PROXY": "socks5://proxy.example:1080"}, "HTTP_PROXY"),
    ],
)
def test_what_is_wrong_stops_the_start_with_one_line(variables: dict[str, str], name: str) -> None:
    finished = run("router.py", env=environment(**variables))
    assert finished.returncode == 1
    (line,) = finished.stderr.strip().splitlines()
    assert name in line
    assert "hunter2" not in line


def test_a_damaged_certificate_file_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n")
    finished = run("router.py", env=environment(SSL_CERT_FILE=str(file)))
    assert finished.returncode == 1
    (line,) = finished.stderr.strip().splitlines()
    assert "SSL_CERT_FILE" in line


@pytest.mark.parametrize("command", [("-m", "rag.ops.diagnostics"), ("ingest.py", "docs")])
@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"DATA_DIR": "~hunter2/x"}, "DATA_DIR"),
        ({"SSL_CERT_FILE": "/hunter2.pem"}, "SSL_CERT_FILE"),
        ({"https_proxy": "hunter2:3128", "PORT": "hunter2"}, "https_proxy"),
        ({"ADMIN_TOKEN": "hunter2"}, "ADMIN_TOKEN"),
    ],
)
def test_the_commands_say_it_too(
    command: tuple[str, ...], variables: dict[str, str], name: str, tmp_path: Path
) -> None:
    finished = run(*command, env=environment(**{"DATA_DIR": str(tmp_path), **variables}))
    assert (finished.returncode, finished.stdout) == (1, "")
    (line,) = finished.stderr.strip().splitlines()
    assert line.startswith("Configuration error: ")
    assert name in line
    assert "hunter2" not in line


@pytest.mark.parametrize("name", ["BOOK_TITLE", "STARTER_QUESTIONS", "CHAT_MODEL", "DATABASE_URL"])
def test_a_text_in_another_encoding_is_named(name: str) -> None:
    """As the system hands it over, with bytes that are not UTF-8 kept apart."""
    value = b"postgres://caf\xe9 | hunter2".decode("utf-8", "surrogateescape")
    with pytest.raises(ConfigurationError, match=f"{name} is not in UTF-8") as caught:
        load_settings({name: value})
    assert "hunter2" not in str(caught.value)
    folder = os.fsdecode(b"/caf\xe9")  # a folder may have any name
    assert load_settings({"DATA_DIR": folder}).data_dir == Path(folder)


def test_a_home_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    with pytest.raises(ConfigurationError, match="DATA_DIR starts with ~"):
        load_settings({"DATA_DIR": "~/x"})


@pytest.fixture
def dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A `.env` file that is read, and no variables that its tests leave behind."""
    before = dict(os.environ)
    monkeypatch.delenv("PORT", raising=False)  # which `make` exports
    monkeypatch.setattr("rag.environment.ROOT", tmp_path)
    yield tmp_path / ".env"
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_dotenv_file_is_read(dotenv: Path, encoding: str) -> None:
    dotenv.write_text("# PORT\nexport BOOK_TITLE='Élan'\nPORT=8000\n", encoding=encoding)
    settings = load_settings()
    assert (settings.book_title, settings.port) == ("Élan", 8000)


@pytest.mark.parametrize("utf8_mode", ["0", "1"])
def test_values_are_utf_8_whatever_the_locale(dotenv: Path, utf8_mode: str) -> None:
    dotenv.write_text("STARTER_QUESTIONS='Où ?|为什么?'\n", encoding="utf-8")
    program = (
        "import pathlib, sys, rag.environment as e; e.ROOT = pathlib.Path(sys.argv[1]); "
        "print(ascii((e.load_settings().book_title, e.load_settings().starter_questions)))"
    )
    variables = {"LC_ALL": "C", "PYTHONUTF8": utf8_mode, "BOOK_TITLE": "Élan"}
    finished = run("-c", program, str(dotenv.parent), env=environment(**variables))
    assert finished.stderr == ""
    assert finished.stdout.strip() == ascii(("Élan", ("Où ?", "为什么?")))


@pytest.mark.parametrize("kind", ["file", "link to a file", "file/data", "pipe", "no/where", "."])
def test_a_data_folder_that_is_a_file(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link to a file").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    if kind in ("no/where", "."):
        load_settings({"DATA_DIR": str(tmp_path / kind)})
        return
    with pytest.raises(ConfigurationError, match="DATA_DIR names or leads through a file"):
        load_settings({"DATA_DIR": str(tmp_path / kind)})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("BOOK_TITLE=Élan".encode("utf-16"), ".env is not UTF-8"),
        ("BOOK_TITLE=Élan".encode("latin-1"), ".env is not UTF-8"),
        ("BOOK_TITLE=Elan".encode("utf-16-le"), ".env contains a NUL character"),
        (b"COHERE_API_KEY: hunter2", "COHERE_API_KEY in .env cannot be read"),
        (b"PORT=1\nexport OPENAI_API_KEY\n", "OPENAI_API_KEY in .env cannot be read"),
        (b"OPENAI_API_KEY 'hunter2'", "OPENAI_API_KEY in .env cannot be read"),
    ],
)
def test_a_dotenv_file_that_cannot_be_read(dotenv: Path, content: bytes, sentence: str) -> None:
    dotenv.write_bytes(content)
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("document", ["README.md", "docs/settings.md"])
def test_every_setting_is_documented(document: str) -> None:
    assert table() in (ROOT / document).read_text()
