"""Crawling a live site: which pages are read, in which order, and which are skipped."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
import tracemalloc
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest

from rag.errors import SourceError
from sites import Book, in_language
from sites.crawler import read_site
from sites.fetch import Limits
from sites.scope import Scope
from tests.support.served_site import Content, Served, html, served, sitemap
from tests.upstreams.http import Request, Response

LIMITS = Limits(delay=0.0, backoff=0.01, request_seconds=5.0)


def read(
    site: Served, path: str = "/", known: Collection[str] = (), limits: Limits = LIMITS, **more: Any
) -> Book:
    url = site.url + path
    return asyncio.run(read_site(url, known=known, limits=limits, allow_private=True, **more))


def slugs(pages: Mapping[str, Content], path: str = "/", **more: Any) -> list[str]:
    with served(pages) as site:
        return [page.slug for page in read(site, path, **more).pages]


def messages(book: Book) -> str:
    return "\n".join(problem.message for problem in book.problems)


BOOK: dict[str, Content] = {
    "/": html("Start", "<p>Welcome to it.</p>", "/guide/", "/install", "/about.pdf", "//x.org/"),
    "/guide/": html("Guide", '<p>Do.</p><h2 id="deep">Deep</h2><p>More.</p>', "/", "../install"),
    "/install": html("Install", "<p>Run it.</p>", "/guide/#deep", "mailto:a@b.c", "/?page=2"),
}


def test_without_a_list_links_are_followed() -> None:
    with served(BOOK) as site:
        book = read(site)
        assert [(p.slug, p.title, p.source_path) for p in book.pages] == [
            ("", "Start", f"{site.url}/"),
            ("guide/", "Guide", f"{site.url}/guide/"),
            ("install", "Install", f"{site.url}/install"),
        ]
        assert (book.title, book.language, book.site_url) == ("My Book", "en", site.url)
        assert book.problems == ()
        assert len(site.asked) == len(set(site.asked))
        assert all("AskTheBook" in request.headers["user-agent"] for request in site.requests)
    guide = book.pages[1]
    assert [(s.heading, s.anchor) for s in guide.sections] == [("Guide", "guide"), ("Deep", "deep")]
    assert "footer" not in repr(book.pages)
    assert "/install" not in repr(guide.sections), "navigation is not part of the text"


def test_a_sitemap_lists_the_pages_and_the_navigation_orders_them() -> None:
    pages = BOOK | {
        "/sitemap.xml": sitemap("/", "/alone", "/guide/", "/install", "/gone"),
        "/alone": html("Alone", "<p>Nobody links here.</p>"),
        "/unlisted": html("Unlisted", "<p>x</p>"),
    }
    with served(pages) as site:
        book = read(site)
        assert [page.slug for page in book.pages] == ["", "guide/", "install", "alone"]
        assert messages(book) == f"{site.url}/gone answered 404."


def test_llms_txt_comes_first_and_its_markdown_copies_mean_the_pages() -> None:
    llms = "# Book\n\n## Docs\n- [I](/install.md): first\n- [G]({URL}/guide/index.md)\n[x](//o.org)"
    pages = BOOK | {
        "/llms.txt": Response(200, llms.replace("{URL}", "").encode(), {}),
        "/sitemap.xml": sitemap("/", "/guide/", "/install"),
    }
    assert slugs(pages) == ["", "install", "guide/"]


def test_llms_full_txt_names_its_sources() -> None:
    full = "# A\nSource: {URL}/install\n\ntext\n\n---\nurl: /guide/\n---\n\n[x](/nothing)"
    assert slugs(BOOK | {"/llms-full.txt": full}) == ["", "install", "guide/"]


def test_nested_compressed_sitemaps_from_robots_txt() -> None:
    inner = "<urlset><url><loc>{}/guide/</loc></url></urlset>"

    def packed(request: Request) -> Response:
        data = inner.format(f"http://{request.headers['host']}").encode()
        return Response(200, gzip.compress(data), {"Content-Type": "application/gzip"})

    pages = BOOK | {
        "/robots.txt": "User-agent: *\nAllow: /\nSitemap: {URL}/map.xml\nSitemap: http://o.org/s.xml",
        "/map.xml": "<sitemapindex><sitemap><loc>{URL}/one.xml.gz</loc></sitemap>"
        "<sitemap><loc>{URL}/map.xml</loc></sitemap><sitemap><loc>{URL}/two.txt</loc></sitemap>"
        "</sitemapindex>",
        "/one.xml.gz": packed,
        "/two.txt": "{URL}/install\nhttp://o.org/elsewhere\n",
    }
    assert slugs(pages) == ["", "guide/", "install"]


@pytest.mark.parametrize(
    "text",
    [
        "<urlset><url><loc>{URL}/guide/</loc></url>",
        '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url>'
        "</urlset>",
    ],
)
def test_a_broken_sitemap_is_reported_and_links_are_followed(text: str) -> None:
    with served(BOOK | {"/sitemap.xml": text}) as site:
        book = read(site)
        assert len(book.pages) == 3
        assert re.search(r"/sitemap\.xml is not a sitemap: ", messages(book))


def test_a_sitemap_that_names_another_host() -> None:
    preview = sitemap("/", "/guide/", "/alone").replace("{URL}", "http://localhost:1")
    with served(BOOK | {"/alone": html("Alone", "<p>x</p>"), "/sitemap.xml": preview}) as site:
        book = read(site)
        assert [page.slug for page in book.pages] == ["", "guide/", "alone"]
        assert "/sitemap.xml names another host (localhost:1); the same paths" in messages(book)
        assert book.site_url == site.url


@pytest.mark.parametrize("robots", ["", "Sitemap: https://prod.dev/index.xml"])
def test_a_list_of_sitemaps_that_names_another_host(robots: str) -> None:
    inner = sitemap("/", "/alone").replace("{URL}", "https://prod.dev")
    index = inner.replace("urlset", "sitemapindex").replace("url>", "sitemap>")
    index = index.replace("https://prod.dev/</loc>", "https://prod.dev/0.xml</loc>")
    pages = {"/alone": html("Alone", "<p>x</p>"), "/0.xml": inner, "/robots.txt": robots}
    place = "/index.xml" if robots else "/sitemap.xml"
    with served({**BOOK, **pages, place: index}) as site:
        book = read(site)
        assert [page.slug for page in book.pages] == ["", "alone"]
        assert f"{place} names another host (prod.dev); the same paths" in messages(book)


def test_a_start_page_that_only_redirects() -> None:
    start = '<html><head><meta http-equiv="refresh" content="0; URL=guide/"></head></html>'
    assert slugs({**BOOK, "/": start}) == ["guide/", "install"]


@pytest.mark.parametrize(
    ("body", "words"),
    [("<div id=app>Loading...</div><script src=a.js></script>", False),
     ('<div class="x" id="root"><p>Please wait</p></div><script>x</script>', False),
     ("<div id=app>Loading...</div>", True),
     ("<div id=app>It takes seven words to say so.</div><script></script>", True)],
)  # fmt: skip
def test_a_page_that_waits_for_a_program(body: str, words: bool) -> None:
    with served({"/": f"<html><head><title>A</title></head><body>{body}</body></html>"}) as site:
        if words:
            assert len(read(site).pages) == 1
        else:
            with pytest.raises(SourceError, match="text with JavaScript"):
                read(site)


@pytest.mark.parametrize("listed", [("/", "/a"), ()])
def test_a_site_that_needs_javascript(listed: tuple[str, ...]) -> None:
    page = '<html><body><div id="root"></div><script src="/a.js"></script></body></html>'
    pages = {"/": page, "/a": page, "/sitemap.xml": sitemap(*listed)}
    with served(pages) as site, pytest.raises(SourceError, match=r"text with JavaScript.*FOLDER"):
        read(site)


def test_only_pages_below_the_address() -> None:
    pages: dict[str, Content] = {
        "/docs/": html("Docs", "<p>One.</p>", "/docs/a", "/blog/b", "/docsx"),
        "/docs/a": html("A", "<p>Two.</p>", "../blog/b"),
        "/blog/b": html("B", "<p>No.</p>"),
        "/docsx": html("X", "<p>No.</p>"),
    }
    assert slugs(pages, "/docs/") == ["docs/", "docs/a"]
    with served(pages) as site:
        book = read(site, "/docs/", site_url=f"{site.url}/docs")
        assert [page.slug for page in book.pages] == ["", "a"]
        assert book.site_url == f"{site.url}/docs"


def test_a_redirected_start_moves_the_book() -> None:
    pages: dict[str, Content] = {
        "/": Response(302, b"", {"Location": "/en/latest/"}),
        "/en/latest/": html("Start", "<p>One.</p>", "use.html", "/en/old/"),
        "/en/latest/use.html": html("Use", "<p>Two.</p>"),
        "/en/old/": html("Old", "<p>No.</p>"),
        "/sitemap.xml": sitemap("/en/latest/", "/en/old/"),
    }
    assert slugs(pages) == ["en/latest/", "en/latest/use.html"]


def test_robots_are_respected() -> None:
    pages = BOOK | {
        "/robots.txt": "User-agent: *\nDisallow: /\n\nUser-agent: askthebook\nDisallow: /*stall$\n"
        "Crawl-delay: 0.01"
    }
    with served(pages) as site:
        assert [page.slug for page in read(site).pages] == ["", "guide/"]
        assert "/install" not in site.asked
        site.pages["/robots.txt"] = "User-agent: *\nDisallow: /\n"
        with pytest.raises(SourceError, match=r"cannot be read: it is disallowed by robots"):
            read(site)
        site.fail(503, path="/robots.txt", times=9)
        with pytest.raises(SourceError, match="answered 503"):
            read(site)


def test_duplicate_pages_are_read_once() -> None:
    twin = html("Guide", "<p>Do.</p>", head='<link rel="canonical" href="/guide/">')
    pages: dict[str, Content] = {
        "/": html("Start", "<p>Welcome.</p>", "/a/guide", "/guide/", "/index.html", "/moved"),
        "/index.html": html("Start", "<p>Welcome.</p>"),
        "/a/guide": twin,
        "/guide/": twin,
        "/moved": Response(301, b"", {"Location": "/guide/#x"}),
    }
    assert slugs(pages) == ["", "guide/"]


def test_a_wrong_canonical_address_loses_no_page() -> None:
    wrong = '<link rel="canonical" href="/">'
    pages: dict[str, Content] = {
        "/": html("Start", "<p>Welcome.</p>", "/a", head=wrong),
        "/a": html("A", "<p>Another text.</p>", head=wrong),
    }
    assert slugs(pages) == ["", "a"]


def test_pages_that_are_not_for_the_index() -> None:
    listed = ["/", "/no", "/header", "/refresh", "/fr", "/app", "/data", "/us"]
    pages: dict[str, Content] = {
        "/sitemap.xml": sitemap(*listed),
        "/": html("Start", "<p>Welcome.</p>"),
        "/no": html("No", "<p>x</p>", head='<meta name="robots" content="noindex, follow">'),
        "/header": Response(200, html("H", "x").encode(), {"X-Robots-Tag": "noindex"}),
        "/refresh": html("R", "x", head='<meta http-equiv="refresh" content="0; url=/">'),
        "/fr": html("Fr", "<p>Bonjour.</p>", language="fr"),
        "/us": html("Us", "<p>Color.</p>", language="en-US"),
        "/app": "<html><body><div id=root></div><script>render()</script></body></html>",
        "/data": Response(200, {"a": 1}),
    }
    with served(pages) as site:
        book = read(site)
        assert [page.slug for page in book.pages] == ["", "us"]
        said = messages(book)
    for path, why in (
        ("/no", "asks not to be indexed"),
        ("/header", "asks not to be indexed"),
        ("/refresh", "only redirects"),
        ("/app", "has no text without JavaScript"),
        ("/data", "is application/json, not an HTML page"),
    ):
        assert f"{site.url}{path} " in said
        assert why in said
    assert "has 1 pages in languages other than en" in said


def test_one_language_of_a_site_in_several() -> None:
    pages: dict[str, Content] = {
        "/sitemap.xml": sitemap("/", "/fr", "/fr-ca", "/plain"),
        "/": html("Start", "<p>Welcome.</p>"),
        "/fr": html("Fr", "<p>Bonjour.</p>", language="fr"),
        "/fr-ca": html("Ca", "<p>Allo.</p>", language="fr-CA"),
        "/plain": html("Plain", "<p>Words.</p>", language=""),
    }
    with served(pages) as site:
        book = read(site, limits=Limits(delay=0, every_language=True))
    assert [page.slug for page in in_language(book, "fr").pages] == ["fr"]
    assert [page.slug for page in in_language(book, "fr_CH").pages] == ["fr", "fr-ca"]
    assert [page.slug for page in in_language(book, "en-GB").pages] == ["", "plain"]
    with pytest.raises(SourceError, match="no pages in the language de; there are pages in en, fr"):
        in_language(book, "de")


def test_links_of_a_page_without_text_are_followed() -> None:
    pages: dict[str, Content] = {
        "/": "<html><body><a href=/cards><img src=x></a></body></html>",
        "/cards": html("Cards", "", "/a", head='<meta name="robots" content="noindex">'),
        "/a": html("A", "<p>Text.</p>"),
    }
    assert slugs(pages) == ["a"]


def test_encoded_addresses() -> None:
    pages: dict[str, Content] = {
        "/": html("Start", "<p>1</p>", "/caf%C3%A9 x/", "/100%25", "/a/../b", "/b?theme=dark"),
        "/café x/": html("A", "<p>2</p>"),
        "/100%": html("B", "<p>3</p>"),
        "/b": html("C", "<p>4</p>"),
    }
    assert slugs(pages) == ["", "café x/", "100%25", "b"]


def test_other_charsets_and_a_base() -> None:
    latin = '<html><head><meta charset="latin-1"><base href="/sub/"></head><body><p>Caf\xe9</p>'
    pages: dict[str, Content] = {
        "/": Response(
            200, f"{latin}<a href=a>a</a>".encode("latin-1"), {"Content-Type": "text/html"}
        ),
        "/sub/a": html("A", "<p>x</p>"),
    }
    with served(pages) as site:
        book = read(site)
        assert [page.slug for page in book.pages] == ["", "sub/a"]
        assert "Café" in repr(book.pages[0])


# ---------------------------------------------------------------- trouble


def test_a_page_that_fails_is_reported_and_stays_in_the_index() -> None:
    pages = BOOK | {"/sitemap.xml": sitemap("/", "/guide/", "/install", "/gone")}
    with served(pages) as site:
        known = [f"{site.url}{path}" for path in ("/", "/guide/", "/install", "/gone", "/other")]
        site.fail(500, path="/guide/", times=3)
        book = read(site, known=[*known, "docs/guide.md", "http://o.org/guide/"])
        assert [page.slug for page in book.pages] == ["", "install"]
        assert f"{site.url}/guide/ answered 500." in messages(book)
        assert book.unread == (f"{site.url}/guide/",), "pages with 404 and unlisted pages are gone"


def test_pages_that_may_still_exist_stay_in_the_index() -> None:
    """If a page with links fails, the pages it links to may still exist."""
    pages = BOOK | {
        "/": html("Start", "<p>Welcome.</p>", "/guide/", "/install"),
        "/install": html("Install", "<p>Run it.</p>", "/install/linux"),
    }
    with served(pages) as site:
        known = [f"{site.url}{path}" for path in ("/guide/", "/install", "/install/linux")]
        site.fail(500, path="/install", times=3)
        book = read(site, known=known)
        assert book.unread == (f"{site.url}/install", f"{site.url}/install/linux")


def test_a_temporary_failure_is_retried_after_retry_after() -> None:
    for fault in (429, 503, "reset", "cut"):
        with served(BOOK) as site:
            site.fail(fault, path="/guide/", retry_after=0.2)
            started = time.monotonic()
            assert len(read(site).pages) == 3
            assert site.asked.count("/guide/") == 2
            assert not isinstance(fault, int) or time.monotonic() - started > 0.2


def test_a_long_retry_after_is_not_waited_for() -> None:
    with served(BOOK) as site:
        site.fail(429, path="/guide/", retry_after="86400")
        assert len(read(site).pages) == 2
        assert site.asked.count("/guide/") == 1


def test_a_site_that_disappears_is_an_error() -> None:
    paths = [f"/p{n}" for n in range(40)]
    pages = {path: html(path, f"<p>{path}</p>") for path in paths}
    pages |= {"/": html("Start", "<p>x</p>"), "/sitemap.xml": sitemap(*paths)}
    with served(pages) as site:
        site.fail("reset", path="/p2", times=999)
        site.fail("reset", path="/p3", times=999)
        site.fail("reset", path="/p1", times=999)
        with pytest.raises(SourceError, match=r"stopped responding after \d pages: .*is unchanged"):
            read(site)
        assert len(site.asked) < 100
    few = dict(list(pages.items())[-2:]) | {"/sitemap.xml": sitemap("/a", "/b")}
    with served(few) as site:
        site.fail(500, path="/a", times=9)
        site.fail(500, path="/b", times=9)
        with pytest.raises(SourceError, match=r"2 pages of .* could not be read, only 1 could"):
            read(site)


def test_a_slow_response_times_out() -> None:
    with served(BOOK) as site:
        site.fail("drip", path="/guide/", times=3)
        book = read(site, limits=replace(LIMITS, request_seconds=0.3))
        assert f"{site.url}/guide/ did not answer in time." in messages(book)
        assert len(book.pages) == 2


def test_a_gzip_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    good = gzip.compress(html("Install", "<p>Packed.</p>").encode())
    pages = BOOK | {
        "/guide/": Response(200, bomb, headers),
        "/install": Response(200, good, headers),
    }
    with served(pages) as site:
        tracemalloc.start()
        book = read(site)
        assert tracemalloc.get_traced_memory()[1] < 25_000_000
        tracemalloc.stop()
        assert [page.slug for page in book.pages] == ["", "install"]
        site.pages["/"] = html("Start", "<p>x</p>", "/install", "/cut", "/zstd")
        site.pages["/cut"] = Response(200, good[:-9], headers)
        site.pages["/zstd"] = Response(200, b"x", {"Content-Encoding": "zstd"})
        site.pages["/sitemap.xml"] = sitemap("/guide/", "/cut", "/zstd", "/install").replace(
            "{URL}", site.url
        )
        said = messages(read(site))
    assert f"{site.url}/guide/ is larger than 4 MB." in said
    assert f"{site.url}/cut ended too early." in said
    assert f"{site.url}/zstd has the encoding zstd" in said


def test_redirects_end_and_stay_on_the_site() -> None:
    def on(request: Request) -> Response:
        number = int(request.path.rpartition("/")[2])
        return Response(302, b"", {"Location": f"/on/{number + 1}"})

    pages: dict[str, Content] = {f"/on/{n}": on for n in range(20)}
    pages |= {
        "/": html("Start", "<p>x</p>"),
        "/sitemap.xml": sitemap("/circle", "/on/1", "/out", "/file", "/bad", "/ok"),
        "/circle": Response(302, b"", {"Location": "/circle"}),
        "/out": Response(302, b"", {"Location": "http://169.254.169.254/latest"}),
        "/file": Response(302, b"", {"Location": "file:///etc/passwd"}),
        "/bad": Response(302, b"", {"Location": "http://["}),
        "/ok": Response(302, b"", {"Location": "/there"}),
        "/there": html("There", "<p>y</p>"),
    }
    with served(pages) as site:
        book = read(site)
        said = messages(book)
        assert [page.slug for page in book.pages] == ["", "there"]
    assert f"{site.url}/circle redirects in a circle." in said
    assert f"{site.url}/on/1 redirects more than 5 times." in said
    assert f"{site.url}/out redirects to another site, http://169.254.169.254/latest." in said
    assert f"{site.url}/file redirects to an invalid address." in said
    assert f"{site.url}/bad redirects to an invalid address." in said


def test_endless_pages_are_bounded() -> None:
    class Endless(dict[str, Content]):
        def get(self, path: str, default: object = None) -> Any:
            if path.endswith((".txt", ".xml")):
                return None
            return html(path, f"<p>Words of {path}.</p>", f"{path.rstrip('/')}/more", f"{path}x")

    with served({}) as site:
        site.pages = Endless()
        known = [f"{site.url}/old"]
        book = read(site, limits=replace(LIMITS, pages=30), known=known)
        assert 30 <= len(book.pages) <= 34
        assert "was read up to the limit of 30 pages; " in messages(book)
        assert book.unread == tuple(known), "it may still exist"
        book = read(site, limits=replace(LIMITS, total_bytes=5_000))
        assert len(book.pages) < 30
        assert "limit of 0 MB" in messages(book)
        book = read(site, limits=replace(LIMITS, seconds=0.3, delay=0.02))
        assert "minutes; " in messages(book)


def test_hostile_html_is_read_in_time() -> None:
    pages: dict[str, Content] = {
        "/": html("Start", "<p>first words</p>" + "<a " * 100_000, "/b"),
        "/b": html("B", "<p>x</p>" + "<div>" * 50_000 + "<!--"),
    }
    assert slugs(pages) == ["", "b"]


# ---------------------------------------------------------------- where the book is


def plain_page(title: str, *links: str, **more: str) -> str:
    return html(title, f"<p>Some words about {title.lower()} and more.</p>", *links, **more)


@pytest.mark.parametrize(
    "lists",
    [
        {"/sitemap.xml": sitemap("/old", "/older")},
        {"/sitemap.xml": sitemap("/book/", "/book/a").replace("{URL}", "https://me.dev")},
        {"/llms.txt": "- [A](/old.md)\n- [B](/older.md)"},
    ],
)
def test_links_are_followed_if_a_list_names_no_page_that_exists(lists: dict[str, Content]) -> None:
    pages = {"/": plain_page("Start", "/a", "/b"), "/a": plain_page("A"), "/b": plain_page("B")}
    with served({**pages, **lists}) as site:
        book = read(site)
        assert [page.slug for page in book.pages] == ["", "a", "b"]
        assert "lists no page that exists; links were followed." in messages(book)


@pytest.mark.parametrize(
    ("robots", "head"),
    [
        ("Sitemap: /map.xml", ""),
        ("Sitemap: {URL}/map.xml", ""),
        ("", '<link rel="sitemap" href="/map.xml">'),
        ("", '<link rel="x sitemap" type="application/xml" href="{URL}/map.xml">'),
    ],
)
@pytest.mark.parametrize("host", ["{URL}", ""])
def test_where_a_sitemap_is_named(robots: str, head: str, host: str) -> None:
    pages: dict[str, Content] = {
        "/": plain_page("Start", head=head),
        "/alone": plain_page("Alone"),
        "/map.xml": sitemap("/", "/alone").replace("{URL}", host),
    }
    with served(pages | ({"/robots.txt": robots} if robots else {})) as site:
        book = read(site)
        assert [page.slug for page in book.pages] == ["", "alone"]
        assert book.problems == ()


@pytest.mark.parametrize(
    ("asked", "path", "expected"),
    [
        ("/", "/docs/intro", ["docs/intro", "docs/a", "docs/b"]),
        ("/", "/docs/intro/", ["docs/intro/", "docs/a", "docs/b"]),
        ("/docs/", "/docs/intro", ["docs/intro", "docs/a", "docs/b"]),
        ("/", "/docs/guide/intro.html", ["docs/guide/intro.html", "docs/a", "docs/b"]),
        ("/latest", "/docs/", ["docs/", "docs/a", "docs/b"]),
    ],
)
def test_a_start_that_redirects_to_the_first_page(
    asked: str, path: str, expected: list[str]
) -> None:
    pages: dict[str, Content] = {
        asked: Response(302, b"", {"Location": path}),
        path: plain_page("Start", "/docs/a", "/docs/b", "/blog/"),
        "/docs/a": plain_page("A"),
        "/docs/b": plain_page("B"),
        "/blog/": plain_page("Blog"),
    }
    assert slugs(pages, asked) == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("/docs/?utm=1#top", ["docs/", "docs/a", "docs/1.2/x", "docs/v2.x/y"]),
        ("/docs/1.2", ["docs/1.2", "docs/1.2/x"]),
        ("/docs/v2.x", ["docs/v2.x", "docs/v2.x/y"]),
        ("/docs/index.html", ["docs/index.html", "docs/a", "docs/1.2/x", "docs/v2.x/y"]),
    ],
)
def test_the_address_names_a_folder(start: str, expected: list[str]) -> None:
    pages = {path: plain_page(path) for path in ("/docs/a", "/docs/1.2/x", "/docs/v2.x/y")}
    path = start.partition("?")[0]
    assert slugs({path: plain_page("Start", *pages), **pages}, start) == expected


@pytest.mark.parametrize(
    ("heads", "links"),
    [
        ('<link rel="canonical" href="https://prod.dev{}">', "https://prod.dev"),
        ('<link rel="canonical" href="https://me.dev/book{}">', "https://me.dev/book"),
        ('<base href="https://prod.dev/">', ""),
    ],
)
def test_a_preview_links_to_the_published_site(heads: str, links: str) -> None:
    pages: dict[str, Content] = {
        path: plain_page(f"P{path}", f"{links}/a", f"{links}/b", head=heads.format(path))
        for path in ("/", "/a", "/b")
    }
    assert slugs(pages) == ["", "a", "b"]


def test_one_host_under_several_names() -> None:
    scope = Scope.of("https://book.dev/docs/")
    for link in (
        "http://book.dev/docs/a",
        "https://www.book.dev/docs/a",
        "//BOOK.dev:443/docs/a#x",
    ):
        assert scope.address(link) == "https://book.dev/docs/a"
    for link in ("http://book.dev:8080/docs/a", "https://en.book.dev/docs/a", "https://book.dev/b"):
        assert scope.address(link) is None


# ---------------------------------------------------------------- pages that are not the book's


@pytest.mark.parametrize("version", ["1.x", "next", "v2.10.0-rc.1", "2.0"])
@pytest.mark.parametrize("listed", [True, False])
def test_other_versions_are_left_out(version: str, listed: bool) -> None:
    paths = [f"/docs/{folder}{name}" for folder in ("", f"{version}/") for name in ("", "a", "b")]
    pages: dict[str, Content] = {path: plain_page(path, *paths) for path in paths}
    if listed:
        pages["/sitemap.xml"] = sitemap(*paths)
    with served(pages) as site:
        book = read(site, "/docs/")
        assert [page.slug for page in book.pages] == ["docs/", "docs/a", "docs/b"]
        assert f"has 3 pages of other versions ({version}); they were left out" in messages(book)
        own = [f"docs/{version}/", f"docs/{version}/a", f"docs/{version}/b"]
        assert [page.slug for page in read(site, f"/docs/{version}/").pages] == own


@pytest.mark.parametrize(
    "paths",
    [
        ["/", "/1/", "/1/intro", "/2/", "/2/intro", "/intro"],
        ["/", "/start", "/next"],
        ["/", "/v1/a", "/v1/b", "/v2/a", "/v2/b"],
        ["/", "/latest/news", "/stable/horses", "/news"],
    ],
)
def test_chapters_are_not_versions(paths: list[str]) -> None:
    pages: dict[str, Content] = {path: plain_page(path, *paths) for path in paths}
    assert sorted(slugs(pages)) == sorted(path[1:] for path in paths)


class SoftNotFound(dict[str, Content]):
    """Pages of a site that answers 200 for every other address."""

    def __init__(self, pages: Mapping[str, Content], body: str) -> None:
        super().__init__(pages)
        self._body = body

    def get(self, path: str, default: object = None) -> Any:
        return super().get(path) or self._body.format(path, path.strip("/"))


@pytest.mark.parametrize(
    "body",
    [
        html("Page not found", "<p>There is no such page.</p>"),
        html("Page not found", "<p>There is no page {}, sorry.</p>"),
        html("Not found: {1}", "<p>We looked for “{1}”.</p>"),
        html("Start", "<p>Some words about start and more.</p>", "/a", "/gone"),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_a_missing_page_with_status_200(body: str, listed: bool) -> None:
    pages: dict[str, Content] = {
        "/": plain_page("Start", "/a", "/gone"),
        "/a": plain_page("A", "/lost"),
    }
    with served({}) as site:
        if listed:
            pages["/sitemap.xml"] = sitemap("/", "/a", "/gone").replace("{URL}", site.url)
        site.pages = SoftNotFound(pages, body)
        book = read(site)
    assert [page.slug for page in book.pages] == ["", "a"]
    shown = "/gone shows the page for addresses that do not exist" in messages(book)
    assert shown is listed


@pytest.mark.parametrize(
    "body",
    [
        "<app-root>Loading...</app-root>",
        '<div id="q-app">Please wait</div>',
        "<noscript>Enable JavaScript to run this app.</noscript><div id=root></div>",
        "<main><p>Loading the docs</p></main>",
    ],
)
def test_a_page_in_the_middle_that_needs_javascript(body: str) -> None:
    shell = f"<html><head><title>App</title></head><body>{body}<script src=a.js></script></body>"
    pages: dict[str, Content] = {
        "/": plain_page("Start", "/app", "/short"),
        "/app": shell,
        "/short": html("Short", "<p>See start.</p><script>x</script>", "/"),
    }
    with served(pages) as site:
        book = read(site)
        assert [page.slug for page in book.pages] == ["", "short"]
        assert f"{site.url}/app has no text without JavaScript" in messages(book)


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_that_is_refused_stays_in_the_index(status: int) -> None:
    pages = BOOK | {"/guide/": Response(status, b"no"), "/llms.txt": Response(status, b"no")}
    with served(pages) as site:
        book = read(site, known=[f"{site.url}/guide/"])
        assert book.unread == (f"{site.url}/guide/",)
        assert messages(book) == f"{site.url}/guide/ answered {status}."


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            Response(200, b"<p>x</p>" * 600_000, {"Content-Type": "text/html"}),
            "is larger than 4 MB",
        ),
        (Response(200, b"\x89PNG\0" * 9, {"Content-Type": "text/html"}), "is a binary file"),
        (Response(200, b"x", {"Content-Encoding": "br"}), "has the encoding br"),
    ],
)
def test_a_page_that_cannot_be_read_is_reported_where_links_are_followed(
    content: Response, why: str
) -> None:
    with served(BOOK | {"/install": content}) as site:
        book = read(site)
        assert [page.slug for page in book.pages] == ["", "guide/"]
        assert f"{site.url}/install {why}" in messages(book)


def test_a_page_that_is_not_translated_belongs_to_its_language() -> None:
    pages: dict[str, Content] = {
        "/": plain_page("Start", "/a", "/fr/"),
        "/a": plain_page("A"),
        "/fr/": plain_page("Debut", "/fr/a", language="fr"),
        "/fr/a": plain_page("A", language="fr"),
    }
    assert slugs(pages) == ["", "a"]
    with served(pages) as site:
        book = read(site, limits=replace(LIMITS, every_language=True))
    assert [page.slug for page in in_language(book, "fr").pages] == ["fr/", "fr/a"]


FRENCH = (
    "<p>Le livre est dans une langue que les lecteurs connaissent, avec des mots pour tous.</p>"
)


@pytest.mark.parametrize("declared", ["", "en"])
def test_the_text_shows_the_language(declared: str) -> None:
    pages: dict[str, Content] = {
        "/": html("Debut", FRENCH, "/a", language=declared),
        "/a": html("A", f"{FRENCH}<p>Encore.</p>", language=declared),
    }
    with served(pages) as site:
        book = read(site)
        site.pages["/"] = html(
            "Start", "<p>This is the book and these are its words.</p>" * 2, "/a"
        )
        mixed = read(site)
    assert (book.language, [page.language for page in book.pages]) == ("fr", ["fr", "fr"])
    assert (mixed.language, [page.slug for page in mixed.pages]) == ("en", [""])
    assert "has 1 pages in languages other than en" in messages(mixed)
