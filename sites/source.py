"""Types and helpers shared by the readers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from rag.models import Page
from sites.files import Files, real_path
from sites.losses import Loss, sentences
from sites.report import Problem, Report


@dataclass(frozen=True, slots=True)
class Book:
    """A site's pages as its generator would publish them."""

    title: str
    """From the site's configuration, else "" or the root page's title."""
    language: str
    """BCP 47 tag; a reader gives "" if the site has none."""
    generator: str
    pages: tuple[Page, ...]
    """In reading order."""
    reported: tuple[Problem, ...] = ()
    """Files and pages that could not be used, or only in part."""
    site_url: str = ""
    """Address of the site from its configuration, without a trailing slash, or ""."""
    unread: tuple[str, ...] = ()
    """Source paths of known pages that could not be read this time but may exist."""
    losses: tuple[Loss, ...] = ()
    """What the site shows and the pages lack."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was reported, and a line for each kind of loss."""
        return (*self.reported, *(Problem(*line) for line in sentences(self.losses)))

    @property
    def skipped(self) -> int:
        """Number of files or pages of which nothing was read."""
        return sum(problem.skipped for problem in self.reported)


@dataclass(frozen=True, slots=True)
class Request:
    """Arguments of a reader."""

    folder: Path
    base_path: str | None
    """Path of the pages on the site; None takes the generator's."""
    files: Files

    @property
    def report(self) -> Report:
        return self.files.report

    def find_site(self, names: tuple[str, ...], levels: int = 3) -> Path | None:
        """Find the site's configuration. Its folder becomes the root of the book's files."""
        found = find_above(self.folder, names, levels)
        if found:
            self.files.widen(found.parent)
        return found


def is_address(source: str) -> bool:
    """Return whether a source is a web address rather than a local path."""
    return source.lower().startswith(("http://", "https://"))


_HOST = re.compile(r"(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,20}(?::[0-9]{1,5})?", re.IGNORECASE)
_LOCAL = re.compile(
    r"(?:localhost|\[::1\]|[0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::[0-9]{1,5})?|[\w-]{2,63}:[0-9]{2,5}"
)
_FILE = re.compile(r"\.(?:mdx?|markdown|rst|txt|html?|ya?ml|toml|json)$", re.IGNORECASE)


def address_hint(source: str) -> str:
    """Suggest the address that a path may be: one without scheme, or with a mistyped one."""
    scheme, colon, rest = source.partition(":/")
    if colon and len(scheme) > 1 and scheme.isalnum():
        source, secure = rest.lstrip("/"), scheme.lower() != "http"
    else:
        source, secure = source.removeprefix("//"), True
    host = source.partition("/")[0]
    if _LOCAL.fullmatch(host):
        secure = False
    elif not _HOST.fullmatch(host) or _FILE.search(host):
        return ""
    return f" For the site at that address: {'https' if secure else 'http'}://{source}"


def public_url(url: str) -> str:
    """Return a configured site address, or "" if it is not public.

    Templates use names reserved for examples (RFC 2606).
    """
    parts = urlsplit(url if is_address(url) else "")
    host = parts.hostname or ""
    if _RESERVED.search(host) or "." not in host:
        return ""
    return url.split("?")[0].split("#")[0].rstrip("/")


_RESERVED = re.compile(r"(^|\.)(example(\.(com|net|org))?|test|invalid|localhost)$")


def site_path(*parts: str) -> str:
    """Join path parts into a slug without leading or double slashes, `.` or `..`.

    A trailing slash of the last part is kept.
    """
    joined = "/".join(parts)
    done: list[str] = []
    for part in joined.split("/"):
        if part == "..":
            del done[-1:]
        elif part not in ("", "."):
            done.append(part)
    tail = "/" if done and joined.endswith("/") else ""
    return "/".join(done) + tail


_SYNTAX = re.compile(r"[%?#\\\x00-\x1f\x7f]")
"""Has a meaning in an address, or is changed or dropped by browsers."""


def file_address(path: str) -> str:
    """Return a file's path as the path of an address: `C%23 guide` for `C# guide`."""
    return _SYNTAX.sub(lambda found: quote(found[0]), path)


def count_words(text: str) -> int:
    """Count runs of letters and digits."""
    return len(re.findall(r"\w+", text))


def page_words(page: Page) -> int:
    """Count the words of a page's headings and blocks."""
    return sum(
        count_words(section.heading) + sum(count_words(block.text) for block in section.blocks)
        for section in page.sections
    )


def natural_key(text: str) -> list[tuple[int, str]]:
    """Return a sort key that puts `part-2` before `part-10`."""
    return [
        (int(piece), "") if piece.isdecimal() else (-1, piece)
        for piece in re.findall(r"\d{1,15}|\D+", text.lower())
    ]


def humanize(name: str) -> str:
    """Turn a file name into a title: `getting-started` becomes `Getting started`."""
    words = re.sub(r"[-_]+", " ", name).strip()
    return words[:1].upper() + words[1:]


def folders_above(folder: Path, levels: int = 3) -> Iterator[Path]:
    """Yield a folder and those above it, up to its repository's."""
    for place in (folder, *list(folder.parents)[:levels]):
        yield place
        if os.path.exists(place / ".git"):
            return


def find_above(folder: Path, names: tuple[str, ...], levels: int = 3) -> Path | None:
    """Find the first of the files that exists in the folder or one of its parents."""
    places = (place / name for place in folders_above(real_path(folder), levels) for name in names)
    return next(filter(os.path.isfile, places), None)
