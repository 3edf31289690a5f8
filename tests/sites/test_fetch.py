"""Which addresses may be connected to, and which paths robots.txt allows."""

from __future__ import annotations

import asyncio
import ssl
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme

from rag.errors import SourceError
from sites import fetch, read_book
from sites.fetch import Fetcher, Limits, Response, Unavailable, origin
from sites.ip_addresses import is_public, resolve
from sites.robots import Robots
from tests.support.served_site import html, served

LIMITS = Limits(delay=0.0, backoff=0.01)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:53aa:64c:0:0:f5ff:fffe",
        "64:ff9b:1::7f00:1",
        "64:ff9b:1:ffff::808:808",
        "64:ff9b::a00:1",
        "64:ff9b::a8:3f81:10",
        "::ffff:0:7f00:1",
        "::ffff:0:808:808",
        "::ffff:192.0.0.192",
        "::ffff:168.63.129.16",
        "::7f00:1",
        "::8.8.8.8",
        "2002:a00:1::1",
        "2002:808:808::1",
        "2001::1",
        "2001:db8::1",
        "2001:10::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
        "100::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1%eth0",
        "2606:4700::5efe:a00:1",
        "2606:4700::200:5efe:7f00:1",
        "192.0.0.8",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.1",
        "168.63.129.16",
        "100.100.100.200",
        "240.0.0.1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "168.63.129.17", "192.0.1.1", "100.128.0.1"),
        *("2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888"),
        *("64:ff9b::101:101", "::ffff:1.1.1.1", "2606:4700::5efe:101:101"),
    ],
)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1", "::1", "0"])
def test_every_spelling_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(SourceError, match="not read" if host != "no" else ""):
        asyncio.run(resolve(host, 80, allow_private=False))


@pytest.mark.parametrize(
    "url",
    [
        *("http://0177.0.0.1/", "http://010.8.8.8/", "http://8.8.8.010/", "http://1.2.3.256/"),
        *("http://127.1/", "http://2130706433/", "http://0x7f.0.0.1/", "http://0x7f000001/"),
        *("http://0/", "http://0x/", "http://127.0.0.1./", "http://１２７.0.0.1/", "http://x.0x1/"),
        *("http://ⓛocalhost/", "http://a..b/", "http://xn--/", "http://[v1.x]/", "http://\x1b[1m/"),
        *("http://a\0b/", f"http://{'a' * 300}/", "http://[::1%25x]/", "http://x:99999/"),
        *("http://[::ffff:127.0.0.1]/", "http://127。0。0。1/", "http://[fe80::1%eth0]/"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("allow_private", [False, True])
def test_odd_spellings_are_a_sentence(url: str, allow_private: bool) -> None:
    async def body() -> None:
        async with Fetcher(url, LIMITS, allow_private=allow_private):
            pass

    if allow_private and any(part in url for part in ("[::ffff", "。", "fe80")):
        return  # another spelling of an address that may be read
    with pytest.raises(SourceError):
        asyncio.run(body())


def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(SourceError, match=r"There is no host called nowhere\.invalid"):
        asyncio.run(resolve("nowhere.invalid", 80, allow_private=False))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Book.dev/a", "https://book.dev"),
        ("https://book.dev:443/a", "https://book.dev"),
        ("http://book.dev:443/", "http://book.dev:443"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_origins(url: str, expected: str) -> None:
    assert origin(url) == expected


@pytest.mark.parametrize(
    "url", ["ftp://x.org", "https://", "https://u:secret@x.org/", "http://x:99999", "http://["]
)
def test_invalid_addresses(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        origin(url)
    assert "secret" not in str(caught.value)


def test_the_name_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that later resolves to another address (DNS rebinding) is not resolved again."""
    with served({"/": html("Start", "<p>x</p>"), "/b": html("B", "<p>y</p>")}) as site:
        port = int(site.url.rpartition(":")[2])
        resolved: list[str] = []

        async def first_public_then_not(host: str, port: int, *, allow_private: bool) -> list[str]:
            resolved.append(host)
            assert len(resolved) == 1
            return ["127.0.0.1"]

        monkeypatch.setattr(fetch, "resolve", first_public_then_not)

        async def body() -> None:
            async with Fetcher(f"http://book.dev:{port}/", LIMITS) as fetcher:
                for path in ("/", "/b"):
                    await fetcher.get(f"http://book.dev:{port}{path}")

        asyncio.run(body())
        assert resolved == ["book.dev"]
        assert {request.headers["host"] for request in site.requests} == {f"book.dev:{port}"}


@pytest.mark.parametrize("name", ["book.dev", "other.dev"])
def test_the_certificate_must_match_the_host(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes to an address, but the certificate must match the host name."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    async def loopback(host: str, port: int, *, allow_private: bool) -> list[str]:
        return ["127.0.0.1"]

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    monkeypatch.setattr(fetch, "resolve", loopback)

    async def body() -> Response:
        server = await asyncio.start_server(reply, "127.0.0.1", 0, ssl=context)
        url = f"https://book.dev:{server.sockets[0].getsockname()[1]}/"
        try:
            async with Fetcher(url, LIMITS) as fetcher:
                return await fetcher.get(url)
        finally:
            server.close()

    if name == "book.dev":
        assert asyncio.run(body()).body == b"ok"
    else:
        with pytest.raises(Unavailable, match="ConnectError"):
            asyncio.run(body())


@pytest.mark.parametrize(
    "charset",
    ["undefined", "idna", "punycode", "unicode_escape", "zlib_codec", "rot13", "no-such", "utf-7"],
)
@pytest.mark.parametrize(
    "body", [b"words " * 300_000, b"-" + b"z9a" * 600_000, b"\xff" * 1_000_000, b"xn--a." * 300_000]
)
def test_any_charset_is_decoded_in_time(charset: str, body: bytes) -> None:
    started = time.process_time()
    for response in (
        Response("https://x.org/", {"content-type": f"text/html; charset={charset}"}, body),
        Response("https://x.org/", {}, f'<meta charset="{charset}">'.encode() + body),
    ):
        assert response.text()
    assert time.process_time() - started < 5


def test_the_usual_charsets_are_read() -> None:
    for charset in ("iso-8859-1", "windows-1252", "utf-16", "shift_jis", "koi8-r", "UTF-8"):
        word = "Слово" if charset == "koi8-r" else "日本" if charset == "shift_jis" else "ä"
        headers = {"content-type": f"text/html; charset={charset}"}
        assert Response("https://x.org/", headers, word.encode(charset)).text() == word


@pytest.mark.parametrize(
    ("kind", "head", "charset", "words"),
    [
        ("text/html; Charset=Windows-1251", "", "cp1251", "Привет"),
        ("text/html; charset=ISO-8859-1", "", "cp1252", "“smart” – café"),
        ('text/html; charset = "utf8"', "", "utf-8", "✓"),
        ("text/html", '<meta charset="us-ascii">', "cp1252", "“smart”"),
        ("", '<META http-equiv="Content-Type" content="text/html; charset=x-sjis">', "cp932", "①"),
        ("", "<meta charset=windows-31j>", "cp932", "日本"),
        ("", "<meta charset=gb2312>", "gb18030", "中文€"),
        ("", "<meta charset='euc-kr'>", "cp949", "똠방각하"),
        ("", '<?xml version="1.0" encoding="iso-8859-1"?>', "latin-1", "déjà"),
        ("", "<meta charset=utf-16>", "utf-8", "✓"),
        ("", "<meta charset=none>", "utf-8", "✓"),
        ("", "", "cp1252", "café – déjà"),
        ("", "", "utf-16", "✓"),
        ("text/html; charset=latin-1", "", "utf-8-sig", "✓"),
    ],
)
def test_charsets_are_read_as_in_browsers(
    kind: str, head: str, charset: str, words: str, tmp_path: Path
) -> None:
    data = f"{head}<p>{words}</p>".encode(charset)
    assert (
        Response("https://x.org/", {"content-type": kind}, data).text() == f"{head}<p>{words}</p>"
    )
    if head or charset.startswith("utf"):  # a file has no header
        (tmp_path / "a.html").write_bytes(data)
        book = read_book(tmp_path)
        assert words in repr(book.pages)
        assert book.problems == ()


# ---------------------------------------------------------------- robots.txt, RFC 9309

GROUPS = """
User-agent: other
Disallow: /

user-agent: Third   # several agents, one group
User-Agent: AskTheBook
Disallow: /private
Allow: /private/open
Disallow: /*.pdf$
Disallow: /a*b*c
Disallow:
Crawl-delay: 2

Sitemap: https://x.org/sitemap.xml

User-agent: *
Disallow: /all

User-agent: askthebook
Disallow: /second
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("/private", False),
        ("/privately", False),
        ("/private/open/x", True),
        ("/%70rivate", False),
        ("/x.pdf", False),
        ("/x.pdf?y", True),
        ("/a/b/c/d", False),
        ("/a/c/b", True),
        ("/second/page", False),
        ("/all", True),
        ("/robots.txt", True),
    ],
)
def test_the_longest_rule_wins(path: str, allowed: bool) -> None:
    robots = Robots(GROUPS, "AskTheBook")
    assert robots.allows(path) is allowed
    assert (robots.delay, robots.sitemaps) == (2.0, ["https://x.org/sitemap.xml"])


def test_rules_for_all_agents() -> None:
    robots = Robots("User-agent: *\nDisallow: /\nAllow: /docs/\nAllow: /$\nCrawl-delay: soon", "A")
    allowed = [path for path in ("/", "/x", "/docs/", "/docs") if robots.allows(path)]
    assert allowed == ["/", "/docs/"]
    assert Robots("", "A").allows("/x")
    assert Robots("<html>not found</html>", "A").allows("/x")
    assert Robots("Disallow: /", "A").allows("/x"), "a rule without an agent applies to none"


def test_a_huge_pattern_is_matched_in_time() -> None:
    robots = Robots("User-agent: *\nDisallow: /" + "*a" * 5_000 + "b$", "A")
    assert robots.allows("/" + "a" * 100_000)


@pytest.mark.parametrize("agent", ["AskTheBook/0.1", "ASKTHEBOOK/2", "askthebook"])
def test_a_group_may_name_a_version(agent: str) -> None:
    robots = Robots(
        f"User-agent: {agent}\nDisallow: /a\n\nUser-agent: *\nDisallow: /", "AskTheBook"
    )
    assert [robots.allows(path) for path in ("/a", "/b")] == [False, True]
