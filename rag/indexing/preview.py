"""Render pages of the book as plain HTML, to preview a book that is not published yet."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.answering.urls import address
from rag.models import Page

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

_RTL = ("ar", "fa", "he", "ur", "yi", "ckb", "ps", "sd", "ug")

_LEFTOVER = re.compile(r"\{\*[^{}]{0,500}\*\}|</?(?:font|center|big)(?:\s[^<>]{0,500})?>", re.I)
"""Instructions of a site generator, and tags that only change the look."""

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #63666b; --line: #d8dadd; --tint: #f5f6f7;
  --mark: #fff3b0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e7e9; --soft: #a5a8ad; --line: #3a3d42;
  --tint: #222427; --mark: #5c4f00; } body { background: #1a1b1d; } }
body { margin: 0 auto; max-width: 46rem; padding: 1.5rem 1.25rem 6rem; color: var(--ink);
  font: 1.0625rem/1.65 system-ui, sans-serif; overflow-wrap: break-word; }
nav { display: flex; gap: 1.25rem; font-size: .9rem; padding-bottom: 1rem; margin-bottom: 2rem;
  border-bottom: 1px solid var(--line); }
a { color: inherit; } h1 { line-height: 1.2; } h2, h3, h4 { margin-top: 2em; line-height: 1.3; }
:is(h2, h3, h4, h5, h6):target { background: var(--mark); scroll-margin-top: 2rem; }
::target-text { background: var(--mark); color: inherit; }
code { font: .9em ui-monospace, monospace; background: var(--tint); padding: .1em .3em;
  border-radius: 3px; }
pre { background: var(--tint); padding: 1rem; overflow-x: auto; border-radius: 6px; }
pre code { padding: 0; background: none; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid var(--line); padding: .35rem .7rem; text-align: start; }
p.note, ul.pages { color: var(--soft); } ul.pages { line-height: 2; padding-inline-start: 1.2rem; }
""".strip()


def page_html(page: Page, book: str, root: str) -> str:
    """Render a page, with an `id` on each heading for citations to link to.

    `root` is the relative path from this page to the list of pages, such as `../..`.
    """
    body = [f"<h1>{html.escape(page.title)}</h1>"]
    for section in page.sections:
        if section.anchor or section.heading != page.title:
            tag = f"h{min(max(section.level, 2), 6)}"
            anchor = f' id="{html.escape(section.anchor)}"' if section.anchor else ""
            body.append(f"<{tag}{anchor}>{html.escape(section.heading)}</{tag}>")
        body += [_markdown().render(block.text) for block in section.blocks]
    return _document(page.title, book, root, page.language, "\n".join(body))


def page_markdown(page: Page) -> str:
    """Return a page as Markdown, with its title and headings."""
    parts = [f"# {page.title}"]
    for section in page.sections:
        if section.anchor or section.heading != page.title:
            parts.append(f"{'#' * min(max(section.level, 2), 6)} {section.heading}")
        parts += [block.text for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def contents_html(pages: Sequence[tuple[str, str]], book: str, root: str) -> str:
    """Render the list of pages. `pages` are pairs of slug and title."""
    items = "\n".join(
        f'<li><a href="{html.escape(address(root, slug))}">{html.escape(title)}</a></li>'
        for slug, title in pages
    )
    body = f'<h1>{html.escape(book)}</h1>\n<ul class="pages">{items}</ul>'
    return _document(book, book, root, "en", body)


@functools.cache
def _markdown() -> MarkdownIt:
    """Return a parser for the markup that remains in a block's text."""
    from markdown_it import MarkdownIt  # needed only for the preview

    rules = ["fence", "list", "table", "backticks", "paragraph", "normalize", "newline"]
    parser = MarkdownIt("zero", {"html": False}).enable(rules, ignoreInvalid=True)
    parser.core.ruler.push("leftovers", _drop_leftovers)
    return parser


def _drop_leftovers(state: StateCore) -> None:
    """Drop markup that means nothing here, but not from code."""
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "text":
                child.content = _LEFTOVER.sub("", child.content)


def _document(title: str, book: str, root: str, language: str, body: str) -> str:
    direction = "rtl" if language.split("-")[0] in _RTL else "ltr"
    return f"""<!doctype html>
<html lang="{html.escape(language)}" dir="{direction}">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)} · {html.escape(book)}</title>
<style>{_STYLE}</style>
<nav><a href="{root}/../">Ask a question</a><a href="{root}/?contents=true">All pages</a></nav>
<main>
{body}
</main>
<p class="note">This is a preview of the book's text. The published site will look different.</p>
</html>
"""
