"""The command `python ingest.py SOURCE`: index a book so that it can be asked.

The source is a folder of Markdown (or of built HTML), one file, or the address of a live site.
Run it again after an edit: only what changed is embedded. It may run while the server does;
readers see the old index until the new one is complete.

`--verify SITE` checks every link against the built or the live site: the links of the source
that is indexed or, without a source, of the current index.

Exit status: 0 done, 1 nothing could be done and the old index is untouched, or links are dead,
2 wrong usage, 130 interrupted (what was embedded is kept for the next run).
"""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from rag import output
from rag.engines import check_platform
from rag.errors import (
    BookError,
    ConfigurationError,
    IndexMissing,
    SourceError,
)
from rag.indexing.arguments import parse_arguments, use_utf8
from rag.indexing.console import (
    ProgressBar,
    describe_links,
    describe_plan,
    describe_summary,
    pluralize,
    printable,
)
from rag.indexing.costs import check_cost, count_tokens, price_of
from rag.indexing.indexer import (
    BookContent,
    Indexer,
    Plan,
    describe,
    sparse_chunk,
)
from rag.indexing.link_check import LinkReport, check_links, check_words
from rag.indexing.published import carry_over, published_chunks
from rag.interfaces import Embedder, IndexWriter, PreviewPages, VectorStore
from rag.models import (
    Chunk,
    IndexInfo,
    Page,
)
from rag.providers import get_clients
from rag.settings import Settings

if TYPE_CHECKING:
    from sites import Book


class Clients(Protocol):
    """What a run needs; `rag.providers` has it."""

    @property
    def settings(self) -> Settings: ...

    async def embedder(self) -> Embedder: ...

    async def store(self) -> VectorStore: ...

    async def writer(self) -> IndexWriter: ...

    async def close(self) -> None: ...


def main(
    arguments: Sequence[str] | None = None, clients: Callable[[], Clients] = get_clients
) -> int:
    """The command. Whatever goes wrong, the user sees one sentence, never a stack trace."""
    options = parse_arguments(arguments)
    output.make_safe()
    try:
        return asyncio.run(_run(options, clients))
    except BookError as error:
        _warn(str(error))
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _warn(f"{place}{error.strerror or error}. Nothing was changed in the index in use.")
        return 1
    except KeyboardInterrupt:
        print(
            "\nStopped. The index in use is unchanged, and finished embeddings are kept. "
            "Run the same command to continue.",
            file=sys.stderr,
        )
        return 130


async def _run(options: Namespace, get: Callable[[], Clients]) -> int:
    clients = get()
    check_platform(clients.settings.qdrant_url)
    try:
        if options.source is not None:
            return await _ingest(options, clients)
        store = await clients.store()
        if await store.info() is None:
            raise IndexMissing("There is no index yet. Run `python ingest.py PATH` first.")
        verdict = await _verified(await published_chunks(store), options)
        return 1 if verdict.problems else 0
    finally:
        await clients.close()


async def _ingest(options: Namespace, clients: Clients) -> int:
    from rag.indexing.bounds import within_bounds
    from rag.indexing.chunking import chunk_book
    from sites import is_address, read_path
    from sites.files import Limits

    live, settings = is_address(options.source), clients.settings
    published, old = None, list[Chunk]()
    with suppress(ConfigurationError):  # an index that cannot be read is made again
        store = await clients.store()
        published = await store.info()
        old = await published_chunks(store) if live else []
    if live:
        book = await _read_site(options, settings, old)
    else:
        limits = Limits(
            page_seconds=options.page_seconds,
            characters=settings.max_book_characters,
            includes=settings.max_includes,
            include_depth=settings.max_include_depth,
            included_characters=settings.max_included_characters,
        )
        with _interruptible():  # in this thread, which the clock for each page can interrupt
            book = read_path(
                options.source,
                generator=options.generator,
                base_path=options.base_path,
                root=options.root,
                limits=limits,
            )
    if options.language:
        from sites import in_language

        book = in_language(book, options.language)
    for problem in book.problems:
        _warn(problem.message)
    chunks, too_long = within_bounds(
        await asyncio.to_thread(chunk_book, book.pages),
        settings.max_page_chunks,
        settings.max_book_characters,
    )
    for message in too_long:
        _warn(message)
    if not chunks:
        raise SourceError(f"There is no text to index in {options.source}.")
    if book.unread:
        _warn(
            f"What the index has of {pluralize(len(book.unread), 'page')} that could not be read "
            "this time stays."
        )
        chunks = carry_over(chunks, old, book.unread)
        kept = await _kept_pages(await clients.store(), chunks, book.unread)
        book = replace(book, pages=(*book.pages, *kept))
    if options.verify:
        verdict = await _verified(chunks, options)
        if verdict.problems and options.strict:
            raise SourceError("Nothing was changed: --strict requires that no link is dead.")
        if await _words_missing(book, options) and options.strict:
            raise SourceError("Nothing was changed: --strict requires that every word is read.")
    if book.skipped and options.strict:
        raise SourceError("Nothing was changed: --strict requires that every file is read.")
    if book.losses and options.strict:
        raise SourceError("Nothing was changed: --strict requires that nothing of a page is lost.")
    return await _index(book, chunks, clients, published, options)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the block at once. The event loop would only see it afterwards."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


async def _index(
    book: Book,
    chunks: Sequence[Chunk],
    clients: Clients,
    published: IndexInfo | None,
    options: Namespace,
) -> int:
    from sites import name_of

    say = _nothing if options.quiet else _say
    embedder = await clients.embedder()
    price = price_of(embedder.model, clients.settings.embed_price)
    if not embedder.dimensions:  # a model that is only known by its answers
        if options.max_cost is not None:
            check_cost(embedder.model, 100, price, options.max_cost)
        await embedder.embed_questions([book.pages[0].title])
    title = clients.settings.book_title or book.title or name_of(book, options.source)
    content = BookContent(title, book.language, book.pages, chunks, book.site_url)
    info = describe(content, embedder, sparse_chunk)
    skipped = f"; {pluralize(book.skipped, 'file')} skipped, named above" if book.skipped else ""
    say(
        f"{title}: {pluralize(len(book.pages), 'page')} ({book.generator}), "
        f"{pluralize(len(chunks), 'chunk')}{skipped}"
    )
    writer = await clients.writer()
    indexer = Indexer(content, embedder, writer, info, sparse_chunk)

    def approve(plan: Plan) -> None:
        if options.max_cost is not None:
            tokens = count_tokens(plan.missing)
            check_cost(embedder.model, tokens, price, options.max_cost)

    try:
        if options.dry_run:
            say(describe_plan(await indexer.plan(), price))
            return 0
        summary = await indexer.build(
            published=published,
            approve=approve,
            progress=_nothing if options.quiet else ProgressBar(sys.stderr).show_embedded,
        )
    finally:
        await writer.close()
    say(describe_summary(summary))
    return 0


async def _verified(chunks: Iterable[Chunk], options: Namespace) -> LinkReport:
    """Check the links and list those that are dead."""
    from sites.published_site import open_site

    chunks = list(chunks)
    async with open_site(
        options.verify,
        allow_private=options.allow_private,
        slugs={chunk.slug.partition("#")[0] for chunk in chunks},
    ) as site:
        verdict = await check_links(chunks, site)
    for problem in verdict.problems:
        _warn(str(problem))
    if verdict.problems:
        _warn(describe_links(verdict))
    elif not options.quiet:
        _say(describe_links(verdict))
    return verdict


async def _words_missing(book: Book, options: Namespace) -> list[str]:
    """List the pages on which far more is published than was read."""
    from sites.published_site import open_site
    from sites.source import page_words

    read = {page.slug: (page.source_path, page_words(page)) for page in book.pages}
    async with open_site(
        options.verify, allow_private=options.allow_private, slugs=read
    ) as published:
        sentences = await check_words(read, published)
    for sentence in sentences:
        _warn(sentence)
    return sentences


async def _read_site(options: Namespace, settings: Settings, old: Sequence[Chunk]) -> Book:
    from sites.crawler import read_site
    from sites.fetch import Limits

    return await read_site(
        options.source,
        site_url=settings.site_url,
        known={chunk.source_path for chunk in old},
        limits=Limits(
            pages=options.max_pages,
            page_seconds=options.page_seconds,
            characters=settings.max_book_characters,
            every_language=bool(options.language),
        ),
        allow_private=options.allow_private,
        progress=_nothing if options.quiet else ProgressBar(sys.stderr).show_read,
    )


async def _kept_pages(
    store: VectorStore, chunks: Iterable[Chunk], unread: Sequence[str]
) -> list[Page]:
    """Return the pages of carried chunks if the index keeps pages for its preview."""
    if not isinstance(store, PreviewPages):
        return []
    slugs = {c.slug.partition("#")[0] for c in chunks if c.source_path in unread}
    return [page for slug in sorted(slugs) if (page := await store.page(slug))]


def _say(text: str) -> None:
    print(printable(text))


def _warn(text: str) -> None:
    print(printable(text), file=sys.stderr)


def _nothing(*_: object) -> None:
    pass


if __name__ == "__main__":
    use_utf8()
    sys.exit(main())
