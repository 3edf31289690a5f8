"""What strangers write, on generated input: addresses, headers, sites, and files for readers."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.conversations import export
from rag.conversations.analytics import as_csv
from rag.conversations.rate_limit_keys import client_keys
from rag.errors import SourceError
from rag.models import Source, Turn
from rag.settings import PLATFORMS
from sites.discovery import read_sitemap
from sites.fetch import AGENT, Response, origin
from sites.html_page import read_page
from sites.robots import Robots
from sites.scope import Scope
from tests.test_parsers import JSON, MARKUP, TEXT
from web.client_ip import client_address
from web.lambda_adapter import LambdaFunction

SITE = "https://book.example"
ADDRESSY = st.text(st.sampled_from("/:.@?#[]%\\-_a1é \n\t0"), max_size=40)
HEADER = st.text(st.characters(max_codepoint=255), max_size=40)

# ---------------------------------------------------------------- who asks


def first_key(secret: str, address: str) -> str:
    return client_keys(secret, address)[0].name


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "x-forwarded-for",
                "x-real-ip",
                "x-vercel-forwarded-for",
                "x-amzn-request-context",
                "forwarded",
            ]
        ),
        HEADER | JSON.map(json.dumps),
    ),
    st.sampled_from(["", *PLATFORMS]),
    st.none() | st.tuples(TEXT, st.integers(0, 65535)),
)
def test_an_address_is_always_found_or_empty(
    headers: dict[str, str], platform: str, client: Any
) -> None:
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    scope = {"type": "http", "client": client, "headers": raw}
    found = client_address(scope, platform)
    key = first_key("secret", found)
    assert re.fullmatch("[0-9a-f-]{36}", key)
    if platform in ("", "SPACE_ID"):  # uvicorn has put it into the scope; headers say nothing
        assert found == (client[0] if client else "")


@given(st.ip_addresses(v=6) | st.ip_addresses(v=4), st.integers(0, 2**64 - 1))
def test_a_household_is_one_reader_and_neighbours_are_others(address: Any, other: int) -> None:
    key = first_key("secret", str(address))
    assert str(address) not in key
    assert key != first_key("another", str(address))
    if isinstance(address, IPv6Address) and not address.ipv4_mapped:
        same = IPv6Address(int(address) >> 64 << 64 | other)
        if not same.ipv4_mapped:
            assert first_key("secret", str(same)) == key
        assert first_key("secret", f"{address}%eth0") == key
        changed: Any = IPv6Address(int(address) ^ 1 << 64)
    else:
        mapped = f"::ffff:{address}" if address.version == 4 else str(address)
        assert first_key("secret", mapped) == key
        changed = ip_address(int(address) ^ 1)
    assert first_key("secret", str(changed)) != key


@pytest.fixture(scope="module")
def function(lambda_loop: None) -> LambdaFunction:
    return LambdaFunction(FastAPI())


@settings(max_examples=50)
@given(
    event=st.fixed_dictionaries(
        {
            "version": st.just("2.0"),
            "requestContext": st.fixed_dictionaries(
                {
                    "stage": TEXT,
                    "http": st.fixed_dictionaries(
                        {"method": st.sampled_from(["GET", "POST"]), "path": st.just("/x") | TEXT},
                        optional={"sourceIp": TEXT},
                    ),
                }
            ),
        },
        optional={
            "rawQueryString": TEXT,
            "headers": st.dictionaries(TEXT, TEXT, max_size=3) | JSON,
            "body": TEXT | JSON,
            "isBase64Encoded": st.booleans(),
            "cookies": JSON,
        },
    )
)
def test_what_looks_like_an_event_of_lambda_is_answered(
    function: LambdaFunction, event: dict[str, Any]
) -> None:
    answer = function(event, None)
    assert answer["statusCode"] in (400, 404)


# ---------------------------------------------------------------- live sites


@given(ADDRESSY)
def test_any_link_stays_on_its_site_or_is_none(link: str) -> None:
    for written in (link, f"https://{link}", f"//{link}", f"{SITE}{link}"):
        with contextlib.suppress(SourceError):
            assert origin(written).startswith(("http://", "https://"))
        address = Scope.of(f"{SITE}/docs/").address(written, f"{SITE}/docs/a")
        if address is not None:
            parts = urlsplit(address)
            assert (f"{parts.scheme}://{parts.netloc}", parts.query) == (SITE, "")
            assert f"{parts.path}/".startswith("/docs/")


@given(
    st.lists(
        st.sampled_from(["User-agent: *\n", "User-agent: AskTheBook\n", "Disallow: /a*b$\n", ":"])
        | st.builds("{}: {}\n".format, st.sampled_from(["Allow", "Disallow", "Crawl-delay"]), TEXT)
        | TEXT,
        max_size=12,
    ).map("".join),
    ADDRESSY,
)
def test_any_robots_txt_gives_rules(text: str, path: str) -> None:
    robots = Robots(text, AGENT)
    assert robots.allows(path) in (True, False)
    assert 0 <= robots.delay < 3600


@given(
    TEXT | MARKUP | st.builds("<urlset><url><loc>{}</loc></url>{}".format, TEXT, TEXT),
    st.sampled_from(["", "<?xml version='1.0' encoding='utf-16'?>", "<!DOCTYPE x [<!ENTITY"]),
)
def test_any_sitemap_is_read_or_refused(text: str, before: str) -> None:
    try:
        maps, pages = read_sitemap(before + text)
    except SourceError:
        return
    assert "<!DOCTYPE" not in before
    assert all(isinstance(place, str) for place in (*maps, *pages))


@given(MARKUP, st.binary(max_size=60), HEADER | st.sampled_from(["text/html; charset=x", ""]))
def test_any_page_is_read(markup: str, tail: bytes, kind: str) -> None:
    body = f"<html><head><meta charset='{kind}'></head><body>{markup}".encode() + tail
    text = Response(SITE, {"content-type": kind}, body).text()
    for part in (read_page(text), read_page(text * 2)):
        assert isinstance(part.title, str)


# ---------------------------------------------------------------- files for readers and authors


@given(st.lists(TEXT, min_size=1, max_size=6), st.lists(TEXT, max_size=3))
def test_no_cell_of_a_sheet_is_a_formula(cells: list[str], examples: list[str]) -> None:
    for lead in ("", "=", "+", "-", "@", "\t", "\r", "\n", " =", "＝"):
        row: dict[str, Any] = {f"c{n}": lead + cell for n, cell in enumerate(cells)}
        sheet = as_csv([{**row, "examples": [lead + text for text in examples]}])
        names, values = csv.reader(io.StringIO(sheet.removeprefix("\ufeff"), newline=""))
        assert names == [*row, "examples"]
        assert not any(value.lstrip()[:1] in tuple("=+-@＝＋－＠") for value in values)
        for value, cell in zip(values, row.values(), strict=False):
            assert value in (cell, f"'{cell}")


def written(name: str, turn: Turn, title: str) -> str:
    how = export.FORMATS[name]
    return how.begin(title) + how.turn(turn) + how.end("")


@given(TEXT, TEXT, TEXT)
def test_a_question_stays_a_quotation_in_a_transcript(question: str, title: str, url: str) -> None:
    source = Source("c", title, title, "a", f"https://h/{url}", "", 0.9)
    turn = Turn(question, "The answer [1].", (source,), {}, n=1)
    file = written("markdown", turn, title)
    head, _, rest = file.partition("\n\n## 1\n\n")
    assert head.startswith("# ")
    assert len(head.splitlines()) == 1
    quoted, _, answer = rest.partition("\n\nThe answer [\\[1\\]](<")
    assert all(line.startswith(">") for line in quoted.split("\n") if quoted)
    target, _, answer = answer.partition(">).\n\n")
    assert not set(target) & set("<>\n")
    (listed,) = answer.removesuffix("\n").split("\n")
    assert re.fullmatch(r"1\. \[.*\]\(<[^<>\n]*>\)", listed)
    kept = json.loads(written("json", turn, title))
    assert kept["turns"][0]["question"] == question
