"""Write `llms.txt` and `llms-full.txt`, https://llmstxt.org."""

from __future__ import annotations

from rag.answering.quotes import markdown_link
from rag.answering.text_fragments import citation_url
from rag.indexing.outline import Outline, markdown, page_chunks
from rag.interfaces import VectorStore

MAX_PAGES = 5000
FULL_CHARACTERS = 4_000_000
"""Maximum length of `llms-full.txt`. A Lambda function cannot return more than 6 MB."""

_full: dict[tuple[str, str], tuple[Outline, str]] = {}
"""The last full text, with the outline that it was made of, by title and site."""


def contents(outline: Outline, title: str, site: str, ending: str = "") -> str:
    """Return the list of pages. `ending` is appended to the address of each page."""
    lines = [f"# {title}", "", f"> The pages of {title}, in the book's order.", "", "## Pages", ""]
    for page in outline.pages[:MAX_PAGES]:
        slug = (page.slug.strip("/") or "index") + ending if ending else page.slug
        link = markdown_link(page.title or page.slug, citation_url(site, slug, ""))
        lines.append(f"- {link}: {page.summary}" if page.summary else f"- {link}")
    if len(outline.pages) > MAX_PAGES:
        lines += ["", f"{len(outline.pages) - MAX_PAGES} more pages are left out."]
    return "\n".join(lines) + "\n"


async def full_text(store: VectorStore, outline: Outline, title: str, site: str) -> str:
    """Return the text of all pages, up to FULL_CHARACTERS. The last result is cached."""
    made_of, text = _full.get((title, site), (None, ""))
    if made_of is outline:
        return text
    parts, length = [f"<!-- {title.replace('--', '—')} -->\n"], 0
    for n, page in enumerate(outline.pages):
        text = markdown(await page_chunks(store, page.slug, page.first, page.last))
        heading, _, body = text.partition("\n")
        part = f"{heading}\n\nSource: {citation_url(site, page.slug, '')}\n{body}"
        length += len(part.encode())
        if length > FULL_CHARACTERS:
            left = len(outline.pages) - n
            parts.append(f"{left} more pages are left out, because the book is too long.\n")
            break
        parts.append(part)
    _full.clear()
    _full[title, site] = outline, "\n".join(parts)
    return _full[title, site][1]
