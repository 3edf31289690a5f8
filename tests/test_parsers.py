"""Every parser on generated input: an answer or an error of the family, and nothing leaks."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.schemas import clean
from rag.adapters.database.postgres_url import SSL_MODES, Server, parse_url
from rag.adapters.failures import error_text
from rag.chat import sse
from rag.conversations import store as conversations
from rag.environment import load_settings
from rag.errors import ConfigurationError, SourceError
from rag.indexing.chunking import chunk_book
from rag.retry_after import retry_after
from rag.settings import SECRETS, VARIABLES, Settings
from sites import read_book
from tests.support.leaks import leak
from web import cors
from web.lambda_adapter import LambdaFunction
from web.middleware import _path
from web.problem_details import problem

settings.register_profile(
    "parsers",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("parsers")

TEXT = st.text(max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
SECRET = "hunter2-hunter2"


# ---------------------------------------------------------------- server-sent events


def received(data: bytes) -> list[tuple[str, str]]:
    """Events as a browser reads them: lines end at LF, CR or both, nothing else."""
    found = []
    for block in re.split(r"(?:\r\n|\n|\r){2}", data.decode()):
        fields = [line.partition(": ") for line in re.split(r"\r\n|\n|\r", block)]
        text = "\n".join(value for name, _, value in fields if name == "data")
        names = [value for name, _, value in fields if name == "event"]
        if text:
            found.append((names[-1] if names else "message", text))
    return found


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["token", "done"]), TEXT), max_size=30))
def test_a_stream_arrives_as_it_was_sent(sent: list[tuple[str, str]]) -> None:
    async def events() -> Any:
        for name, text in sent:
            yield name, {"text": text}

    async def body() -> bytes:
        return b"".join([part async for part in sse.stream(events(), problem)])

    got = [(name, json.loads(data)["text"]) for name, data in received(asyncio.run(body()))]

    def by_runs(items: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Neighbouring tokens may arrive as one."""
        runs: list[tuple[str, str]] = []
        for name, text in items:
            if name == "token" and runs and runs[-1][0] == "token":
                runs[-1] = (name, runs[-1][1] + text)
            else:
                runs.append((name, text))
        return runs

    assert by_runs(got) == by_runs(sent)


# ---------------------------------------------------------------- settings


@given(
    st.dictionaries(
        st.sampled_from([*VARIABLES]),
        TEXT | st.sampled_from(["1", "0", "7860", "-1", "1e99", "nan", "inf", "https://", "a,,b"]),
    )
)
def test_settings_are_read_or_named(environ: dict[str, str]) -> None:
    try:
        read = load_settings(environ)
    except ConfigurationError:
        return
    assert 0 < read.port < 65536
    for name in SECRETS:
        if len(value := environ.get(name, "").strip()) > 8:
            assert value not in repr(read)


PART = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(PART, PART, PART, st.integers(1, 65535), st.sampled_from(SSL_MODES))
def test_a_connection_string_is_read_back(
    user: str, password: str, database: str, port: int, mode: str
) -> None:
    there = f"{quote(user, safe='')}:{quote(password, safe='')}@db.example:{port}"
    server = parse_url(f"postgresql://{there}/{quote(database, safe='')}?sslmode={mode}")
    assert (server.user, server.password, server.database) == (user, password, database)
    assert (server.host, server.port, server.ssl_mode) == ("db.example", port, mode)
    assert len(password) < 4 or password not in repr(server) or password in repr((user, database))


@given(
    st.sampled_from(["postgresql://", "postgres://", ""]),
    st.text(st.sampled_from("a1:/@?#&=%[],+ .é\n"), max_size=40),
)
def test_any_connection_string_is_read_or_refused(scheme: str, rest: str) -> None:
    try:
        read: object = parse_url(f"{scheme}{rest}{SECRET}")
    except ConfigurationError as error:
        read = error
    if isinstance(read, Server):
        assert 0 <= read.port < 65536
    else:
        assert SECRET not in str(read)


# ---------------------------------------------------------------- requests


@given(JSON)
def test_any_event_of_lambda_is_answered(event: Any) -> None:
    answer = LambdaFunction(FastAPI())(event, None)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["code"] == "no_request"


@given(TEXT)
def test_cleaned_text_can_be_stored_and_sent(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert clean(cleaned) == cleaned


@given(st.uuids(), TEXT, TEXT)
def test_no_session_is_logged_whole(session: Any, before: str, after: str) -> None:
    for name in (str(session), str(session).upper(), session.hex):
        assert name not in _path({"path": f"/{before}{name}{after}"})


@given(TEXT)
def test_only_ids_of_ours_are_ids(text: str) -> None:
    assert not conversations.is_session_id(text)
    session = conversations.new_session_id()
    assert conversations.is_session_id(session)
    for padded in (f"{session}\n", f" {session}", f"{session}{text or 'x'}", session.upper() + "g"):
        assert not conversations.is_session_id(padded)


@given(
    st.sampled_from(["http", "https", "null", ""]),
    st.text(st.sampled_from("book-az09.:@/\n"), max_size=30),
    st.sampled_from(["", "-team.vercel.app", "-team.vercel.app.evil.com", "-teamxvercel.app"]),
)
def test_only_previews_of_the_one_project_are_origins(scheme: str, name: str, end: str) -> None:
    pattern = cors.preview_pattern(Settings(vercel_project="book", vercel_scope="team"))
    assert pattern
    origin = f"{scheme}://{name}{end}"
    if re.fullmatch(pattern, origin):
        assert re.fullmatch(r"https://book-[a-z0-9]{9}-team\.vercel\.app", origin)
        assert "\n" not in origin


# ---------------------------------------------------------------- what services say


@given(
    st.dictionaries(
        st.sampled_from(["Retry-After", "retry-after-ms", "RETRY-AFTER"]),
        TEXT
        | st.sampled_from(["1", "0.5", "-1", "1e9", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct"])
        | st.from_regex(
            r"\w{3}, \d{1,9} \w{3} \d{1,9} \d\d:\d\d:\d\d [+-]?\w{1,6}", fullmatch=True
        ),
    )
)
def test_a_wait_is_a_number_of_seconds_or_none(headers: dict[str, str]) -> None:
    wait = retry_after(headers)
    assert wait is None or 0 <= wait < 1e12


@given(JSON, st.booleans())
def test_what_a_service_says_is_one_short_line_without_the_key(body: Any, raw: bool) -> None:
    message = {"error": {"message": body, "detail": f"key {SECRET}"}, "status": f"{body}{SECRET}"}
    shown = error_text(json.dumps(message).encode() if raw else message, SECRET)
    assert len(shown) <= 300
    assert len(shown.splitlines()) <= 1
    assert SECRET not in shown


# ---------------------------------------------------------------- books

MARKUP = st.lists(
    st.sampled_from(
        [
            *(
                "# ",
                "## T {#id}\n",
                "```",
                "~~~\n",
                "\n",
                "\n\n",
                "- ",
                "> ",
                "| a | b |\n|--|--|\n",
            ),
            *(
                "---\n",
                "title: x\n",
                ":::note\n",
                ":::\n",
                "!!! tip\n    ",
                "<div>",
                "</div>",
                "<!--",
            ),
            *(
                "-->",
                "{{#include a.md}}",
                "{% x %}",
                "[a](b.md#c)",
                "![i](x.png)",
                "import X from 'y'\n",
            ),
            *(
                "export const a = {",
                "}",
                "<Tabs>",
                "<A b={`",
                "`",
                "$$\n",
                "[^1]",
                "&lt;",
                "\t",
                "    ",
            ),
            *(
                "\\",
                "\0",
                "é",
                "\u2028",
                "\ufeff",
                "<script>",
                "--8<-- 'a.md'\n",
                '"',
                "*",
                "_",
                "[[",
            ),
        ]
    )
    | st.text(max_size=8),
    max_size=40,
).map("".join)


@pytest.mark.parametrize(
    "generator", ["docusaurus", "mdbook", "mkdocs", "vitepress", "plain", "html"]
)
@settings(max_examples=30)
@given(first=MARKUP, second=MARKUP, configuration=MARKUP)
def test_any_book_is_read(generator: str, first: str, second: str, configuration: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ending = "html" if generator == "html" else "md"
        for place in ("docs", "src"):
            (folder / place).mkdir()
            for page, text in (("a", first), ("b", second), ("SUMMARY", f"- [A](a.md)\n{second}")):
                (folder / place / f"{page}.{ending}").write_bytes(
                    f"# Top\n\nwords\n\n{text}".encode("utf-8", "surrogatepass")
                )
        for file in ("mkdocs.yml", "book.toml", "docusaurus.config.js"):
            head = {"mkdocs.yml": "site_name: x\n", "book.toml": "[book]\n"}.get(file, "")
            (folder / file).write_bytes((head + configuration).encode("utf-8", "surrogatepass"))
        try:
            book = read_book(folder, generator=generator)
        except SourceError:  # nothing in it is a page
            return
        for chunk in chunk_book(book.pages):
            assert chunk.text.strip()
            chunk.text.encode()
        for found in book.problems:
            assert leak(found.message.replace(name, "")) == ""
            assert "could not be parsed" not in found.message
