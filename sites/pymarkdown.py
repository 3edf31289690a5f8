"""Render the pages of a MkDocs site with Python-Markdown and the extensions that it configures.

https://python-markdown.github.io/extensions
https://facelessuser.github.io/pymdown-extensions
Only extensions known to be free of side effects are loaded, with options that are plain data.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from importlib import import_module
from typing import Any
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.blockprocessors import BlockProcessor, ListIndentProcessor
from markdown.extensions.sane_lists import SaneOListProcessor, SaneUListProcessor
from markdown.extensions.toc import TocTreeprocessor, slugify, slugify_unicode
from markdown.inlinepatterns import REFERENCE_RE, InlineProcessor, ReferenceInlineProcessor
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString
from pymdownx.slugs import slugify as pymdownx_slugify

from rag.language.visible import normalize
from sites.markdown import is_too_long, without_tags
from sites.mdx_include import EXTENSIONS
from sites.mkdocs_config import Options, Site

_PYTHON_MARKDOWN = (
    "abbr admonition attr_list codehilite def_list extra fenced_code footnotes legacy_attrs"
    " legacy_em md_in_html meta nl2br sane_lists smarty tables toc wikilinks"
)
_PYMDOWNX = (
    "arithmatex betterem bracketspan caret critic details escapeall extra fancylists highlight"
    " inlinehilite keys magiclink mark progressbar quotes saneheaders smartsymbols superfences"
    " tabbed tasklist tilde blocks.admonition blocks.caption blocks.definition blocks.details"
    " blocks.html blocks.tab"
)
_MODULES = {name: f"markdown.extensions.{name}" for name in _PYTHON_MARKDOWN.split()}
_MODULES |= {name: name for name in (f"pymdownx.{name}" for name in _PYMDOWNX.split())}
"""The extensions that are loaded, with their modules."""
_SANE_LISTS = "mdx_truly_sane_lists"
_BREAKLESS_LISTS = "mdx_breakless_lists"
_KNOWN = {
    "pymdownx.snippets",
    "pymdownx.emoji",
    "pymdownx.b64",
    "pymdownx.pathconverter",
    "pymdownx.striphtml",
    _SANE_LISTS,
    _BREAKLESS_LISTS,
    *EXTENSIONS,
}
"""Extensions that are followed elsewhere, or do not change the text."""
_USUAL = ("toc", "tables", "pymdownx.highlight", "pymdownx.superfences")
"""MkDocs loads the first two and fenced code, of which SuperFences accepts every form."""
_PLAIN = re.compile(r"(?:[^\n\\`*_\[\]<>&{}~$:^|+=\x02]|:(?![\w+-])|(?<! )\n|[+=](?![+=]))*+")
_PROSE = re.compile(
    r"(?:[^\W\d_]|[ ,;)]|(?<!\d)\d++(?![\w/])|[.:](?!\S)|-(?![->])|[!?](?!\d)|\((?!(?:tm|c|r)\))"
    r"|(?<! )\n)*+"
)
"""Text without markup, and that which remains so with the extensions below."""
_REWRITING = ("smarty", "pymdownx.smartsymbols", "pymdownx.magiclink")
_ITEM = re.compile(r" *+(?:\d+\.|[*+-]) ")
_ICON = r":(?=[0-9_+-]{0,60}[a-z])[a-z0-9_+][a-z0-9_+-]{0,90}:"
_OBJECT = re.compile(r"^(?:#{1,6} *)?:::[ \t]+([\w.:-]+)[ \t]*$", re.MULTILINE)
_SLUGS: dict[str, Options] = {
    "uslugify": {"case": "lower"},
    "uslugify_encoded": {"case": "lower", "percent_encode": True},
    "uslugify_cased": {},
    "uslugify_cased_encoded": {"percent_encode": True},
    "gfm": {"case": "lower-ascii"},
    "gfm_encoded": {"case": "lower-ascii", "percent_encode": True},
}
"""Former names in `pymdownx.slugs` and the options that replaced them."""

Slug = Callable[[str, str], str]
"""(text of the heading, separator) -> id"""


def is_known(name: str) -> bool:
    """Return whether an extension is followed, or changes neither the text nor the anchors."""
    return name in _MODULES or name in _KNOWN or name.startswith(("material.", "zensical."))


def slug_rule(named: Any) -> Slug:
    """Return the slug function that a configuration names; Python-Markdown's by default."""
    rule: Slug = slugify
    if isinstance(named, dict):  # pymdownx.slugs.slugify with options
        options = named.get("kwds")
        options = options if isinstance(options, dict) else {}
        encode = options.get("percent_encode") is True
        rule = pymdownx_slugify(case=str(options.get("case")), percent_encode=encode)
    elif "pymdownx.slugs" in str(named):
        rule = pymdownx_slugify(**_SLUGS.get(str(named).rpartition(".")[2], {}))
    elif str(named).endswith("slugify_unicode"):
        rule = slugify_unicode
    return lambda text, separator: rule(normalize("NFC", text), separator)


_Match = tuple[Element | None, int | None, int | None]


class Renderer:
    """Renders pages with the extensions of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._markdown: Markdown | None = None
        self._mark = str(site.extensions.get("toc", {}).get("marker", "[TOC]"))
        self.objects: list[str] = []
        """The lines of the last page that name objects to describe."""

    def html(self, text: str) -> str:
        """Render a page. Code keeps its text, icons and permalinks are left out."""
        # A page that fails may leave the parser in the middle of a block.
        markdown, self._markdown = self._markdown or self._make(), None
        self.objects.clear()
        toc, mark = markdown.treeprocessors["toc"], self._mark
        if isinstance(toc, TocTreeprocessor):  # it searches every element for the mark
            toc.marker = mark if mark in text else ""
        html = markdown.reset().convert(text)
        self._markdown = markdown
        return html

    def _make(self) -> Markdown:
        site = self._site
        markdown = Markdown()
        names = [name for name in site.extensions if name in _MODULES and name not in _USUAL]
        for name in (*names, *_USUAL):
            self._load(markdown, name, site.extensions.get(name, {}))
        if site.has(_BREAKLESS_LISTS):
            markdown.preprocessors.register(_Breakless(markdown), "breakless", 27)
        if site.has(_SANE_LISTS):
            _indent_lists(markdown, site.extensions[_SANE_LISTS].get("nested_indent", 2))
        plain = _PROSE if site.has(*_REWRITING) else _PLAIN
        markdown.treeprocessors.register(_Plain(markdown, plain), "plain", 25)
        if site.has("pymdownx.emoji"):
            markdown.inlinePatterns.register(_Icons(_ICON, markdown), "icons", 185)
        described = site.plugin("mkdocstrings") is not None
        if described or site.plugin("autorefs") is not None:
            references = _References(REFERENCE_RE, markdown)
            markdown.inlinePatterns.register(references, "autorefs", 168)
        if described or site.has("mkdocs-click", "mkautodoc"):
            objects = _Objects(markdown, self.objects)
            markdown.parser.blockprocessors.register(objects, "objects", 175)
        return markdown

    def _load(self, markdown: Markdown, name: str, options: Options) -> None:
        """Load an extension with those of its options that are plain data."""
        extension = import_module(_MODULES[name]).makeExtension()
        usual = extension.getConfigs()
        plain = {key: value for key, value in options.items()
                 if isinstance(usual.get(key), str | int | list | dict)
                 and isinstance(value, type(usual[key]))}  # fmt: skip
        fixed = _FIXED.get(name, {})
        if name == "toc":
            fixed = {**fixed, "slugify": slug_rule(options.get("slugify"))}
        try:
            for key, value in {**plain, **fixed}.items():
                extension.setConfig(key, value)
            markdown.registerExtensions([extension], {})
        except Exception:  # noqa: BLE001 - options of any form
            kind = "extensions could not be loaded with their options"
            self._site.lost(kind, "markdown_extensions", name)


def _indent_lists(markdown: Markdown, columns: Any) -> None:
    """Nest lists by fewer columns than other blocks.

    https://github.com/radude/mdx_truly_sane_lists
    """
    usual = markdown.tab_length
    markdown.tab_length = columns if columns in range(1, usual + 1) else 2
    lists = (
        (ListIndentProcessor, "indent", 95),
        (SaneOListProcessor, "olist", 50),
        (SaneUListProcessor, "ulist", 40),
    )
    for processor, name, priority in lists:
        markdown.parser.blockprocessors.register(processor(markdown.parser), name, priority)
    markdown.tab_length = usual


def _fence(
    source: str, language: str | None, name: str, options: Options, md: Markdown, **more: Any
) -> str:
    """Render a fence: its title or the label of the tab that it is, and its code."""
    title = escape(str(options.get("title") or options.get("tab") or ""))
    code = f'<pre><code class="language-{escape(language or "")}">{escape(source)}</code></pre>'
    return f"<p>{title}</p>{code}" if title else code


def _accept(
    language: str | None, given: Options, options: Options, attributes: Options, md: Markdown
) -> bool:
    """Accept a fence with options of any name. Words without a value belong into braces."""
    for name, value in given.items():
        (attributes if name == value else options)[name] = value
    return True


_FIXED: dict[str, Options] = {
    "codehilite": {"use_pygments": False},
    "pymdownx.highlight": {"use_pygments": False},
    "pymdownx.arithmatex": {"generic": True},
    "pymdownx.smartsymbols": {"ordinal_numbers": False},  # only raises the letters of `1st`
    "pymdownx.tabbed": {"alternate_style": False},
    "pymdownx.blocks.tab": {"alternate_style": False},
    "pymdownx.superfences": {
        "custom_fences": [{"name": "*", "class": "", "format": _fence, "validator": _accept}],
    },
    "toc": {"permalink": False, "anchorlink": False, "toc_depth": "7-7"},
}


class _Breakless(Preprocessor):
    """Begins a list without a blank line above it.

    https://github.com/adamb70/mdx-breakless-lists
    """

    def run(self, lines: list[str]) -> list[str]:
        spaced, in_list = list[str](), False
        for line in lines:
            is_item = _ITEM.match(line) is not None
            spaced += [""] * (is_item and not in_list)
            spaced.append(line)
            in_list = is_item or (in_list and line != "")
        return spaced


class _Plain(Treeprocessor):
    """Marks text in which no inline markup is looked for.

    Without markup that takes a third of the time; in huge paragraphs it could take quadratic time.
    """

    def __init__(self, markdown: Markdown, plain: re.Pattern[str]) -> None:
        super().__init__(markdown)
        self._plain = plain

    def run(self, root: Element) -> None:
        for element in root.iter():
            text = element.text or ""
            if self._plain.fullmatch(text) or is_too_long(text):
                element.text = AtomicString(without_tags(text))


class _Icons(InlineProcessor):
    """Drops `:material-bee:`, of which the page shows a picture."""

    def handleMatch(self, m: re.Match[str], data: str) -> _Match:  # type: ignore[override]
        if data[max(m.start() - 1, 0) : m.start()].isalnum():
            return None, None, None
        return Element("span"), m.start(), m.end()


class _References(ReferenceInlineProcessor):
    """Reads `[text][name]`, which autorefs links to a heading or object anywhere, as its text.

    https://mkdocstrings.github.io/autorefs/
    """

    def handleMatch(self, m: re.Match[str], data: str) -> _Match:  # type: ignore[override]
        text, index, found = self.getText(data, m.end())
        name = self.RE_LINK.match(data, index) if found else None
        if name is None:
            return None, None, None
        element = Element("span")
        element.text = text
        return element, m.start(), name.end()


class _Objects(BlockProcessor):
    """Drops and collects `::: bees.Hive`, with its options: its text would come from code."""

    def __init__(self, markdown: Markdown, found: list[str]) -> None:
        super().__init__(markdown.parser)
        self._found = found

    def test(self, parent: Element, block: str) -> bool:
        return _OBJECT.search(block) is not None

    def run(self, parent: Element, blocks: list[str]) -> None:
        block = blocks.pop(0)
        match = _OBJECT.search(block)
        if match is None:
            return
        self._found.append(match[0])
        self.parser.parseBlocks(parent, [block[: match.start()]])
        _, rest = self.detab(block[match.end() :].lstrip("\n"))
        while not rest and blocks and blocks[0].startswith(" " * self.tab_length):
            _, rest = self.detab(blocks.pop(0))
        if rest:
            blocks.insert(0, rest)
