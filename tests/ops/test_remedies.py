"""Every remedy that the doctor prints, tried: a fault, its sentence, what it says to do, health.

A trial makes a fault and yields the variables to look with. Then it does what the sentence says
and yields the variables again.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from rag.adapters.database.embedded import start
from rag.adapters.database.postgres_url import parse_url
from rag.adapters.database.postgres_wire import Connection
from rag.conversations import self_check
from rag.ops import remedies
from tests.deploy.neon import neon_over
from tests.ops.conftest import Doctor
from tests.support.postgres import query, server_pid, using, with_name
from tests.support.postgres_servers import find_program, tls_server
from tests.support.relays import in_front_of, office_proxy, tls_in_front_of
from tests.support.service import environment, free_port, run
from tests.upstreams import Service, Upstreams

Variables = dict[str, str]
Trial = Callable[["Ward"], Iterator[Variables]]

TRIED: list[tuple[str, str, str, Trial]] = []
"""Service, words of the sentence, name, trial."""
OPENAI_QUOTA = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
COHERE_QUOTA = {"message": "You are using a Trial key, which is limited to 1000 API calls / month."}
ADDRESSES = {
    "cohere": "COHERE_BASE_URL",
    "openai": "OPENAI_BASE_URL",
    "qdrant": "QDRANT_URL",
    "postgres": "DATABASE_URL",
}
KEYS = {"cohere": "COHERE_API_KEY", "openai": "OPENAI_API_KEY", "qdrant": "QDRANT_API_KEY"}


@dataclass
class Ward:
    """What trials need."""

    upstreams: Upstreams
    right: Variables
    """With which everything works."""
    postgres: str
    """A superuser's URL."""
    given: tuple[str, str, str]
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    request: pytest.FixtureRequest

    def service(self, name: str) -> Service:
        services = dict(zip(("cohere", "openai", "qdrant"), self.upstreams.services, strict=True))
        return services[name]

    def do(self, statement: str) -> None:
        """Run a statement as the administrator.

        A is the administrator's name, R the name of the role for us, and D of its database.
        """
        admin, role, _ = self.given
        [(owner, database)] = query(admin, "SELECT current_user, current_database()")
        for letter, name in {"A": owner, "R": role, "D": database}.items():
            statement = re.sub(rf"\b{letter}\b", name, statement)
        query(admin, statement)

    @property
    def tls(self) -> tuple[str, Path]:
        """A server with TLS and a password, and the folder of its certificates."""
        if not find_program("initdb"):
            pytest.skip("no PostgreSQL with TLS here: install Debian's postgresql")
        found: tuple[str, Path] = self.request.getfixturevalue("tls_database")
        return found

    @property
    def as_given(self) -> Variables:
        return {"DATA_DIR": str(self.folder), "DATABASE_URL": self.given[2]}


@pytest.fixture(scope="module")
def tls_database() -> Iterator[tuple[str, Path]]:
    with tls_server() as found:
        yield found


@pytest.fixture
def ward(
    request: pytest.FixtureRequest,
    upstreams: Upstreams,
    database: str,
    postgres_server: str,
    given: tuple[str, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Ward:
    right = {**upstreams.environ(), "DATABASE_URL": database, "DATA_DIR": str(tmp_path)}
    return Ward(upstreams, right, postgres_server, given, tmp_path, monkeypatch, request)


def trial(
    words: str, *services: str, **options: Any
) -> Callable[[Callable[..., Iterator[Variables]]], Callable[..., Iterator[Variables]]]:
    """Register a trial of the sentence with these words, for each of the services.

    A trial of several services gets their name; `options` are passed on.
    """

    def register(make: Callable[..., Iterator[Variables]]) -> Callable[..., Iterator[Variables]]:
        for service in services:
            extra = {**options, **({"service": service} if len(services) > 1 else {})}
            name = " ".join([service, make.__name__.replace("_", " "), *map(str, options.values())])
            TRIED.append((service, words, name, partial(make, **extra)))
        return make

    return register


# ---------------------------------------------------------------- services over HTTP


@trial("https://dashboard.cohere.com/api-keys and set COHERE_API_KEY", "cohere", which="cohere")
@trial("at the chat model's provider and set OPENAI_API_KEY", "openai", which="openai")
@trial("https://cloud.qdrant.io and set QDRANT_API_KEY", "qdrant", which="qdrant")
def wrong_key(ward: Ward, which: str) -> Iterator[Variables]:
    yield {**ward.right, KEYS[which]: "sk-hunter2-hunter2"}
    yield ward.right


@trial("Check COHERE_BASE_URL", "cohere", url="http://cohere.invalid")
@trial("Check OPENAI_BASE_URL", "openai", url="http://openai.invalid/v1")
@trial("Check QDRANT_URL. Qdrant Cloud deletes", "qdrant", url="http://qdrant.invalid")
@trial("Check DATABASE_URL", "postgres", url="postgresql://u:hunter2@postgres.invalid/book")
def unknown_host(ward: Ward, url: str) -> Iterator[Variables]:
    name = next(name for service, name in ADDRESSES.items() if service in url)
    yield {**ward.right, name: url}
    yield ward.right


@trial("Check that the server is running, that its address and", "cohere", "openai", "qdrant")
def wrong_port(ward: Ward, service: str) -> Iterator[Variables]:
    address = ADDRESSES[service]
    port = ward.right[address].split("/")[2].partition(":")[2]
    yield {**ward.right, address: ward.right[address].replace(port, str(free_port()))}
    yield ward.right


@trial("Set COHERE_EMBED_MODEL to a model that this key", "cohere", name="COHERE_EMBED_MODEL")
@trial("Set CHAT_MODEL to a model that this key", "openai", name="CHAT_MODEL")
def unknown_model(ward: Ward, name: str) -> Iterator[Variables]:
    yield {**ward.right, name: "hunter-3"}
    yield ward.right


@trial("Wait for next month or get a paid key", "cohere")
def cohere_used_up(ward: Ward) -> Iterator[Variables]:
    ward.upstreams.cohere.fail(429, times=99, body=COHERE_QUOTA)
    yield ward.right
    ward.upstreams.cohere.heal()
    yield ward.right


@trial("Add credit or raise the limit at the provider", "openai", status=429)
@trial("Add credit or raise the limit at the provider", "openai", status=402)
def openai_used_up(ward: Ward, status: int) -> Iterator[Variables]:
    """The models are still listed, so only a question finds it."""
    ward.upstreams.openai.fail(status, path="/v1/chat", times=99, body=OPENAI_QUOTA)
    yield ward.right
    ward.upstreams.openai.heal()
    yield ward.right


@trial("Wait a minute and try again", "cohere", "openai", "qdrant", status=429)
@trial("Wait a minute and try again", "cohere", "openai", "qdrant", status=503)
def too_busy(ward: Ward, service: str, status: int) -> Iterator[Variables]:
    ward.service(service).fail(status, times=99)
    yield ward.right
    ward.service(service).heal()
    yield ward.right


@trial("set SSL_CERT_FILE to a file that also holds its certificate", "cohere", "openai", "qdrant")
def authority_of_its_own(ward: Ward, service: str) -> Iterator[Variables]:
    with _over_tls(ward, service) as (wrong, trusting):
        yield wrong
        yield {**wrong, "SSL_CERT_FILE": trusting}


@trial("Check the address (host, port, https:// or http://)", "cohere", "openai", "qdrant")
def certificate_for_another_host(ward: Ward, service: str) -> Iterator[Variables]:
    with _over_tls(ward, service) as (right, trusting):
        right["SSL_CERT_FILE"] = trusting
        address = ADDRESSES[service]
        yield {**right, address: right[address].replace("localhost", "127.0.0.1")}
        yield right


@trial("Check the address (host, port, https:// or http://)", "cohere", "openai", "qdrant")
def https_where_http_is_spoken(ward: Ward, service: str) -> Iterator[Variables]:
    address = ADDRESSES[service]
    yield {**ward.right, address: ward.right[address].replace("http://", "https://")}
    yield ward.right


@contextmanager
def _over_tls(ward: Ward, service: str) -> Iterator[tuple[Variables, str]]:
    """Variables by which a service is asked over TLS, and a file to trust it by."""
    authority, url = trustme.CA(), ward.right[ADDRESSES[service]]
    network = url.split("/")[2]
    with tls_in_front_of(network, authority, "localhost") as port:
        other = url.replace("http://", "https://").replace(network, f"localhost:{port}")
        file = ward.folder / "authorities.pem"
        authority.cert_pem.write_to_path(file)
        yield {**ward.right, ADDRESSES[service]: other}, str(file)


@trial("user name and password in HTTPS_PROXY", "cohere", "openai", "qdrant", by="a login")
@trial("To go around the proxy, name the host in NO_PROXY", "cohere", "openai", "qdrant", by="not")
def proxy_with_a_password(ward: Ward, service: str, by: str) -> Iterator[Variables]:
    with office_proxy("reader:s3cret") as port:
        address = ADDRESSES[service]
        # 0.0.0.0 leads to this machine and is not a name for which proxies are left out.
        wrong = {**ward.right, address: ward.right[address].replace("127.0.0.1", "0.0.0.0")}
        wrong["HTTP_PROXY"] = f"http://reader:hunter2@127.0.0.1:{port}"
        yield wrong
        if by == "a login":
            yield {**wrong, "HTTP_PROXY": f"http://reader:s3cret@127.0.0.1:{port}"}
        else:
            yield {**wrong, "NO_PROXY": "0.0.0.0"}


@trial("Qdrant Cloud also uses 443: remove the port from the", "qdrant")
def blocked_port_of_qdrant(ward: Ward) -> Iterator[Variables]:
    host, authority = "127.0.0.78", trustme.CA()
    with _on_port_443(ward.right["QDRANT_URL"].split("/")[2], authority, host, host):
        file = ward.folder / "authorities.pem"
        authority.cert_pem.write_to_path(file)
        right = {**ward.right, "QDRANT_URL": f"https://{host}", "SSL_CERT_FILE": str(file)}
        yield {**right, "QDRANT_URL": f"https://{host}:6333"}
        yield right


@contextmanager
def _on_port_443(target: str, authority: trustme.CA, name: str, host: str) -> Iterator[None]:
    try:
        with tls_in_front_of(target, authority, name, host, 443):
            yield
    except PermissionError:
        pytest.skip("only root may listen on port 443")


# ---------------------------------------------------------------- the index


@trial("Run python ingest.py PATH with these settings", "qdrant")
def nothing_indexed(ward: Ward) -> Iterator[Variables]:
    wrong = {**ward.right, "QDRANT_COLLECTION": "to-be-made"}
    yield wrong
    (ward.folder / "page.md").write_text("# Ports\n\nThe service listens on port 7860.\n")
    finished = run("ingest.py", str(ward.folder / "page.md"), env=environment(**wrong))
    assert finished.returncode == 0, finished.stderr
    yield wrong


@trial("or set QDRANT_COLLECTION to the collection that holds", "qdrant")
def another_collection(ward: Ward) -> Iterator[Variables]:
    yield {**ward.right, "QDRANT_COLLECTION": "another"}
    yield ward.right


@trial("Or set COHERE_EMBED_MODEL to the model of the index", "qdrant")
def another_model(ward: Ward) -> Iterator[Variables]:
    yield {**ward.right, "COHERE_EMBED_MODEL": "embed-multilingual-v3.0"}
    yield {**ward.right, "COHERE_EMBED_MODEL": "embed-english-v3.0"}


@trial("Or set COHERE_API_KEY, if Cohere embedded the index", "qdrant")
def no_key_for_the_model(ward: Ward) -> Iterator[Variables]:
    yield {**ward.right, "COHERE_API_KEY": ""}
    yield ward.right


@trial("Or set EMBED_DIMENSIONS to those of the index", "qdrant")
def other_dimensions(ward: Ward) -> Iterator[Variables]:
    made = {**ward.right, "COHERE_EMBED_MODEL": "embed-v4.0", "QDRANT_COLLECTION": "by-version-4"}
    (ward.folder / "page.md").write_text("# Ports\n\nThe service listens on port 7860.\n")
    finished = run("ingest.py", str(ward.folder / "page.md"), env=environment(**made))
    assert finished.returncode == 0, finished.stderr
    yield {**made, "EMBED_DIMENSIONS": "512"}
    yield {**made, "EMBED_DIMENSIONS": "1024"}


# ---------------------------------------------------------------- the budgets


@trial("DAILY_TOKEN_BUDGET, DAILY_QUESTION_BUDGET, ", "budget", what="tokens")
@trial("DAILY_TOKEN_BUDGET, DAILY_QUESTION_BUDGET, ", "budget", what="questions")
@trial("DAILY_EMBEDDING_BUDGET or DAILY_STORAGE_BUDGET", "budget", what="calls")
@trial("DAILY_EMBEDDING_BUDGET or DAILY_STORAGE_BUDGET", "budget", what="bytes")
def used_up_today(ward: Ward, what: str) -> Iterator[Variables]:
    names = {"calls": "EMBEDDING", "bytes": "STORAGE"}
    name = f"DAILY_{names.get(what, what.removesuffix('s').upper())}_BUDGET"
    url = ward.right["DATABASE_URL"]
    using(url, self_check.check)  # creates the tables
    today = "(now() AT TIME ZONE 'UTC')::date"
    query(url, "DELETE FROM book.days")
    query(url, f"INSERT INTO book.days VALUES ({today}, 0, 0, 0, 0)")
    query(url, f"UPDATE book.days SET {what} = 90000")
    yield {**ward.right, name: "90000"}
    yield {**ward.right, name: "200000"}
    query(url, "DELETE FROM book.days")


# ---------------------------------------------------------------- the database


@trial("the connection string, including the password and sslmode", "postgres", part="password")
@trial("the connection string, including the password and sslmode", "postgres", part="none")
@trial("the connection string, including the password and sslmode", "postgres", part="sslmode")
def connection_string_copied_badly(ward: Ward, part: str) -> Iterator[Variables]:
    url, _ = ward.tls
    right = f"{url}?sslmode=require"
    wrong = {
        "password": right.replace("s3cret", "hunter2"),
        "none": re.sub(":s3cret[^@]*@", "@", right),
        "sslmode": right.replace("require", "disable"),  # pg_hba.conf has no entry for it
    }
    yield {**ward.right, "DATABASE_URL": wrong[part]}
    yield {**ward.right, "DATABASE_URL": right}


@trial("must let this role in, with an entry in pg_hba.conf or ALTER ROLE name LOGIN", "postgres")
def role_without_login(ward: Ward) -> Iterator[Variables]:
    ward.do("ALTER ROLE R NOLOGIN")
    yield ward.as_given
    ward.do("ALTER ROLE R LOGIN")
    yield ward.as_given


@trial("add sslrootcert=FILE to DATABASE_URL", "postgres", mode="verify-full")
@trial("add sslrootcert=FILE to DATABASE_URL", "postgres", mode="verify-ca")
def server_with_an_authority_of_its_own(ward: Ward, mode: str) -> Iterator[Variables]:
    url, folder = ward.tls
    wrong = f"{url}?sslmode={mode}"
    yield {**ward.right, "DATABASE_URL": wrong}
    yield {**ward.right, "DATABASE_URL": f"{wrong}&sslrootcert={folder}/ca.pem"}


@trial("Check the host in DATABASE_URL", "postgres")
def certificate_for_another_server(ward: Ward) -> Iterator[Variables]:
    url, folder = ward.tls
    right = f"{url}?sslmode=verify-full&sslrootcert={folder}/ca.pem"
    yield {**ward.right, "DATABASE_URL": right.replace("@localhost", "@127.0.0.1")}
    yield {**ward.right, "DATABASE_URL": right}


@trial("a server without TLS can be used with sslmode=disable", "postgres")
def server_without_tls(ward: Ward) -> Iterator[Variables]:
    server = parse_url(ward.right["DATABASE_URL"])
    target = server.unix_socket or f"{server.host}:{server.port}"
    with in_front_of(target) as port:
        login = f"{server.user}:{server.password or 'x'}"
        url = f"postgresql://{login}@127.0.0.1:{port}/{server.database}?sslmode="
        yield {**ward.right, "DATABASE_URL": f"{url}require"}
        yield {**ward.right, "DATABASE_URL": f"{url}disable"}


@trial("Check that the server is running and that outgoing connections to port", "postgres")
def server_that_is_down(ward: Ward) -> Iterator[Variables]:
    url, _ = ward.tls
    port = free_port()
    away = {**ward.right, "DATABASE_URL": re.sub(r":\d+/", f":{port}/", f"{url}?sslmode=require")}
    yield away
    with in_front_of(f"localhost:{parse_url(url).port}", port=port):
        yield away


@trial("Wait a minute and try again", "postgres")
def server_that_shuts_down(ward: Ward) -> Iterator[Variables]:
    server = start(ward.folder / "pg")
    other = Connection(parse_url(server.url), 5)  # for whose end the server waits
    pid = server_pid(server)
    assert pid
    os.kill(pid, signal.SIGTERM)
    yield {**ward.right, "DATABASE_URL": server.url}
    other.close()
    server.stop()
    server = start(ward.folder / "pg")
    yield {**ward.right, "DATABASE_URL": server.url}
    server.stop()


@trial("Neon also accepts SQL over HTTPS: add port 443 to the", "postgres")
def blocked_port_of_neon(ward: Ward) -> Iterator[Variables]:
    name, host, authority = "ep-1.eu-central-1.aws.neon.tech", "127.0.0.79", trustme.CA()
    resolve = socket.getaddrinfo

    def resolving(wanted: Any, *rest: Any, **options: Any) -> Any:
        return resolve(host if wanted == name else wanted, *rest, **options)

    ward.monkeypatch.setattr(socket, "getaddrinfo", resolving)
    with (
        neon_over(ward.right["DATABASE_URL"]) as neon,
        _on_port_443(f"127.0.0.1:{neon.port}", authority, name, host),
    ):
        file = ward.folder / "authorities.pem"
        authority.cert_pem.write_to_path(file)
        variables = {**ward.right, "SSL_CERT_FILE": str(file)}
        yield {**variables, "DATABASE_URL": f"postgresql://u:hunter2@{name}/book?sslmode=require"}
        yield {**variables, "DATABASE_URL": f"postgresql://u:hunter2@{name}:443/book"}


@trial("Create the database with CREATE DATABASE", "postgres")
def missing_database(ward: Ward) -> Iterator[Variables]:
    with _dropped(ward) as (name, url):
        yield {**ward.right, "DATABASE_URL": url}
        query(ward.postgres, f"CREATE DATABASE {name}")
        yield {**ward.right, "DATABASE_URL": url}


@trial("CREATE DATABASE book ENCODING 'UTF8' TEMPLATE template0", "postgres")
def database_in_another_encoding(ward: Ward) -> Iterator[Variables]:
    latin = "ENCODING 'LATIN1' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
    with _dropped(ward) as (name, url):
        query(ward.postgres, f"CREATE DATABASE {name} {latin}")
        yield {**ward.right, "DATABASE_URL": url}
        query(ward.postgres, f"DROP DATABASE {name} WITH (FORCE)")
        query(ward.postgres, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        yield {**ward.right, "DATABASE_URL": url}


@contextmanager
def _dropped(ward: Ward) -> Iterator[tuple[str, str]]:
    """The name and URL of a database that does not exist yet, and does not afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    try:
        yield name, with_name(ward.postgres, name)
    finally:
        query(ward.postgres, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@trial("must free space or enlarge it", "postgres")
def disk_that_is_full(ward: Ward) -> Iterator[Variables]:
    with tempfile.TemporaryDirectory() as name:
        command = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=777", "tmpfs", name]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root may mount a small disk")
        os.chmod(name, 0o777)
        space = f"space_{uuid.uuid4().hex}"
        try:
            folder = Path(name) / "data"
            folder.mkdir()
            shutil.chown(folder, 65534, 65534)
            query(ward.postgres, f"CREATE TABLESPACE {space} LOCATION '{folder}'")
            ward.do(f"GRANT CREATE ON TABLESPACE {space} TO R")
            ward.do(f"ALTER ROLE R SET default_tablespace = '{space}'")
            (Path(name) / "fill").write_bytes(bytes(os.statvfs(name).f_bavail * 4096))
            yield ward.as_given
            (Path(name) / "fill").unlink()
            yield ward.as_given
            ward.do("DROP SCHEMA book CASCADE")
            ward.do("DROP OWNED BY R")
            query(ward.postgres, f"DROP TABLESPACE {space}")
        finally:
            subprocess.run(["umount", "-l", name], check=True)


SLOW = """CREATE FUNCTION book.slow() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END'"""
ON_TURNS = "CREATE TRIGGER slow BEFORE INSERT ON book.turns EXECUTE FUNCTION book.slow()"


@trial(
    "If it is a replica, or was the primary server before",
    "postgres",
    harm="ALTER ROLE R SET default_transaction_read_only = on",
    remedy="ALTER ROLE R RESET ALL",
)
@trial(
    "SET statement_timeout = '10s' (the same for lock_timeout and transaction_timeout)",
    "postgres",
    before=ON_TURNS,
    harm="ALTER ROLE R SET statement_timeout = 1",
    remedy="ALTER ROLE R SET statement_timeout = '10s'",
)
@trial(
    "SET statement_timeout = '10s' (the same for lock_timeout and transaction_timeout)",
    "postgres",
    before=ON_TURNS,
    harm="ALTER ROLE R SET transaction_timeout = 20",
    remedy="ALTER ROLE R SET transaction_timeout = '10s'",
)
@trial(
    "raise the limit with ALTER ROLE name CONNECTION LIMIT 20",
    "postgres",
    harm="ALTER ROLE R CONNECTION LIMIT 0",
    remedy="ALTER ROLE R CONNECTION LIMIT 20",
)
@trial(
    "CONNECTION LIMIT 20 (or ALTER DATABASE)",
    "postgres",
    harm="ALTER DATABASE D CONNECTION LIMIT 0",
    remedy="ALTER DATABASE D CONNECTION LIMIT 20",
)
@trial(
    "GRANT USAGE ON SCHEMA book TO",
    "postgres",
    before="ALTER SCHEMA book OWNER TO A",
    harm="REVOKE ALL ON SCHEMA book FROM R",
    remedy="GRANT USAGE ON SCHEMA book TO R",
)
@trial(
    "DELETE ON ALL TABLES IN SCHEMA book TO",
    "postgres",
    before="ALTER SCHEMA book OWNER TO A; GRANT USAGE ON SCHEMA book TO R; "
    "ALTER TABLE book.turns OWNER TO A",
    harm="REVOKE ALL ON book.turns FROM R",
    remedy="GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA book TO R",
)
def database_that_saves_nothing(
    ward: Ward, harm: str, remedy: str, before: str = ""
) -> Iterator[Variables]:
    version = query(ward.postgres, "SELECT current_setting('server_version_num')::int")[0][0]
    if "transaction_timeout" in harm and version < 170_000:
        pytest.skip("this PostgreSQL has no transaction_timeout")
    using(ward.given[2], self_check.check)  # creates the tables
    ward.do(SLOW)
    if before:
        ward.do(before)
    ward.do(harm)
    yield ward.as_given
    ward.do(remedy)
    yield ward.as_given


@trial("end that session with pg_terminate_backend", "postgres")
def table_that_another_session_locks(ward: Ward) -> Iterator[Variables]:
    using(ward.given[2], self_check.check)  # creates the tables
    other = Connection(parse_url(ward.given[0]), 5)
    other.execute("BEGIN; LOCK TABLE book.turns", 5)
    yield ward.as_given
    ward.do(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query LIKE '%LOCK TABLE%' "
        "AND pid <> pg_backend_pid()"
    )
    other.close()
    yield ward.as_given


@trial("of its own with CREATE SCHEMA book AUTHORIZATION", "postgres")
def role_without_a_schema(ward: Ward) -> Iterator[Variables]:
    database = query(ward.given[0], "SELECT current_database()")[0][0]
    ward.do(f"DROP SCHEMA book; REVOKE CREATE ON DATABASE {database} FROM PUBLIC")
    yield ward.as_given
    ward.do("CREATE SCHEMA book AUTHORIZATION R")
    yield ward.as_given


@trial("that role must create or upgrade them (run python -m rag.ops.diagnostics", "postgres")
def tables_of_another_role(ward: Ward) -> Iterator[Variables]:
    """The administrator's DATABASE_URL creates them, and three statements let the role use them."""
    ward.do("DROP SCHEMA book")
    yield ward.as_given
    run("-m", "rag.ops.diagnostics", env=environment(DATABASE_URL=ward.given[0]))
    ward.do(
        "GRANT USAGE ON SCHEMA book TO R; "
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA book TO R; "
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA book TO R"
    )
    yield ward.as_given


# ---------------------------------------------------------------- the tests


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of httpx-aiohttp's use of aiohttp
@pytest.mark.parametrize(
    ("service", "words", "attempt"),
    [each[:2] + each[3:] for each in TRIED],
    ids=[each[2] for each in TRIED],
)
def test_the_remedy_helps(
    doctor: Doctor, ward: Ward, service: str, words: str, attempt: Trial
) -> None:
    looks = attempt(ward)
    status, said = doctor(**next(looks))
    assert status == 1
    assert words in said[service]
    _, said = doctor(**next(looks))
    line = said[service]
    assert " works" in line or (service == "budget" and "used today" in line), line
    next(looks, None)


def test_every_remedy_is_tried() -> None:
    untried = [s for s in sentences() if not any(words in s for _, words, *_ in TRIED)]
    assert untried == []
    for words in remedies._ANY_SERVICE.values():
        services = {service for service, tried, *_ in TRIED if tried in words}
        assert {"cohere", "openai", "qdrant"} <= services, words
    for (service, _), words in remedies._ONE_SERVICE.items():
        assert any(s == service and tried in words for s, tried, *_ in TRIED), words


def sentences() -> list[str]:
    """The sentences in the module, with … for what is filled in."""
    tree = ast.parse(Path(remedies.__file__).read_text())
    documentation = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    found: list[str] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.JoinedStr):
            constants = (isinstance(part, ast.Constant) and part.value for part in node.values)
            found.append("".join(str(text or "…") for text in constants))
            continue
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            found.append(str(node.value))
        waiting += ast.iter_child_nodes(node)
    return [text for text in found if len(text.split()) > 4]
