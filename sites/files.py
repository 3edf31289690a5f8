"""Open the files of a book: regular ones inside its root, of bounded size, and no others."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from rag.errors import SourceError
from sites import processes
from sites.charsets import decode_html
from sites.report import Report
from sites.time_limit import PAGE_SECONDS, TooSlow, page_time_limit

T = TypeVar("T")
MAX_FILE_BYTES = 4_000_000
"""Larger files are not hand-written prose."""
MAX_CONFIG_BYTES = 500_000
MAX_FILES = 50_000
MAX_CHARACTERS = 100_000_000
"""Characters of a book by default: about fifty times the longest real book."""
REPOSITORY_LEVELS = 4
"""Folders above a site in which its repository is looked for."""
PAGES_AT_ONCE = 16
"""Pages of which a process sends the results together."""
SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__"})
MARKDOWN = (".md", ".mdx", ".markdown")
_PSEUDO = ("/proc", "/sys", "/dev")
"""Folders whose files show the state of this machine, such as a process's environment."""


def real_path(path: Path) -> Path:
    """Resolve a path. Unlike `Path.resolve`, circular links do not raise."""
    return Path(os.path.realpath(path))


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading a folder may take."""

    page_seconds: float = PAGE_SECONDS
    """For parsing one page."""
    characters: int = MAX_CHARACTERS
    """Of all files that are read, included ones each time."""
    includes: int = 500
    """Files that one page may include, repeats counted."""
    include_depth: int = 6
    """Levels of files that include files."""
    included_characters: int = 1_000_000
    """Characters that the includes of one page may add, and bytes of one included file."""


class Refused(Exception):
    """A file that is not read; the message reads on from its path."""


@dataclass(frozen=True, slots=True)
class _Part(Generic[T]):
    """What another process made of some pages."""

    parsed: list[T]
    characters: int
    report: Report


class Files:
    """The files of a book. All readers open files here."""

    def __init__(
        self, folder: Path, root: Path | None = None, limits: Limits | None = None
    ) -> None:
        """`root` is the folder that links and configurations may lead to; else it is `folder`.

        Raises SourceError if the folder is not inside its root.
        """
        self.report = Report()
        self.limits = limits or Limits()
        self._folder = real_path(folder)
        self._root = real_path(root or folder)
        self._root_is_given = root is not None
        self._left = self.limits.characters
        if not self._folder.is_relative_to(self._root):
            raise SourceError(f"{folder} is not inside {root}, which --root names.")

    def widen(self, site: Path) -> None:
        """Make a site's repository, or else its folder, the root.

        Nothing changes if the author named a root or the book is outside the site.
        """
        site = real_path(site)
        places = (site, *list(site.parents)[:REPOSITORY_LEVELS])
        site = next((place for place in places if os.path.exists(place / ".git")), site)
        if not self._root_is_given and self._root.is_relative_to(site):
            self._root = site

    def locate(self, path: Path, *, hidden: bool = False) -> Path:
        """Return the real place of a path. Raises Refused if it is outside the book or hidden."""
        try:
            real = real_path(path)
        except (OSError, ValueError):
            raise Refused("has a name that no file can have") from None
        if not real.is_relative_to(self._root) or any(map(real.is_relative_to, _PSEUDO)):
            raise Refused("leads outside the book (see --root)")
        base = self._folder if real.is_relative_to(self._folder) else self._root
        parts = real.relative_to(base).parts
        prose = MARKDOWN if real.name.startswith(".") else (*MARKDOWN, ".txt")
        if not hidden and not real.name.endswith(prose) and any(p.startswith(".") for p in parts):
            raise Refused("leads to a hidden file")  # such as .env or .git/config
        return real

    def read(self, path: Path, limit: int, *, hidden: bool = False) -> bytes:
        """Return the contents of a file. Raises Refused."""
        real = self.locate(path, hidden=hidden)
        try:
            mode = os.stat(real).st_mode
            if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer
                kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
                raise Refused(f"is {kind}, not a file")
            with open(real, "rb") as file:
                data = file.read(limit + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise Refused(f"could not be read ({reason})") from None
        if len(data) > limit:
            size = f"{limit // 1_000_000} MB" if limit >= 1_000_000 else f"{limit // 1000} KB"
            raise Refused(f"is larger than {size}")
        return data

    def head(self, path: Path, size: int) -> bytes:
        """Return the first bytes of a file; none if it cannot be read."""
        try:
            return self.read(path, MAX_FILE_BYTES)[:size]
        except Refused:
            return b""

    def text(self, folder: Path, path: str) -> str | None:
        """Read a file as text with `\\n` line ends, or report a problem and return None."""
        try:
            data = self.read(folder / path, MAX_FILE_BYTES)
            text, broken = _decode(data)
            if not text.strip():
                raise Refused("is empty")
            self.spend(len(text))
        except Refused as refusal:
            self.report.skip(path, str(refusal))
            return None
        if broken:
            self.report.add(path, f"is not valid UTF-8 (line {broken}); unreadable bytes became �.")
        return text

    def included(self, path: Path, limit: int) -> str:
        """Return the text of a file that a page includes. Raises Refused."""
        return _decode(self.read(path, limit))[0]

    def spend(self, characters: int) -> None:
        """Count characters. Raises Refused if the book has too many."""
        if characters > self._left:
            limit = self.limits.characters
            raise Refused(f"would make the book longer than {limit:,} characters")
        self._left -= characters

    def config(self, folder: Path, path: str) -> str:
        """Return the text of a configuration; one that cannot be read is a problem and empty."""
        try:
            return _decode(self.read(folder / path, MAX_CONFIG_BYTES, hidden=True))[0]
        except Refused as refusal:
            self.report.add(path, f"{refusal}; it was ignored.")
            return ""

    def subfolder(self, site: Path, name: str, config: str) -> Path | None:
        """Return a folder that a configuration names; one outside the book is a problem."""
        try:
            return site / name if os.path.isdir(self.locate(site / name)) else None
        except Refused as refusal:
            lines = enumerate(self.config(site, config).split("\n") if config else (), start=1)
            line = next((f":{number}" for number, line in lines if name in line), "")
            place = config + line
            self.report.add(place, f"names the folder {name}, which {refusal}; it was not read.")
            return None

    def find(self, folder: Path, suffixes: Sequence[str], *, quiet: bool = False) -> list[str]:
        """Find the paths below `folder` with one of the suffixes, sorted, with forward slashes.

        Symbolic links inside the book are followed, but no folder is entered twice: a link to
        a parent is a problem, not a loop. Hidden folders and `node_modules` are left out.
        """
        report = Report() if quiet else self.report
        ends = tuple(suffixes)
        found: list[str] = []
        seen: set[str] = set()

        def failed(error: OSError) -> None:
            relative = _relative(error.filename, folder)
            name = str(folder) if relative == "." else relative
            report.skip(name, f"could not be read ({error.strerror})")

        for place, names, files in os.walk(folder, followlinks=True, onerror=failed):
            relative = _relative(place, folder)
            try:
                real = str(self.locate(Path(place)))
                if real in seen:
                    raise Refused("is a link to a folder that was already read")
            except Refused as refusal:
                report.skip(relative, str(refusal))
                names.clear()
                continue
            seen.add(real)
            prefix = "" if relative == "." else f"{relative}/"
            for name in (*names, *files):
                if not _is_utf8(name):
                    report.skip(prefix + shown(name), "has a name that is not UTF-8")
            open_folders = {name for name in filter(_is_utf8, names) if name[0] != "."}
            names[:] = sorted(open_folders - SKIPPED_FOLDERS)
            for name in names:
                if name.lower().endswith(ends):
                    report.add(prefix + name, "is a folder, not a page; the files in it were read.")
            found += [prefix + n for n in filter(_is_utf8, files) if n.lower().endswith(ends)]
            if len(found) > MAX_FILES:
                report.add(relative, f"is where reading stopped: the limit is {MAX_FILES:,} files.")
                del found[MAX_FILES:]
                break
        return sorted(found)

    def pages(
        self, folder: Path, paths: Iterable[str], parse: Callable[[str, str], T | None]
    ) -> list[T]:
        """Return the results of `parse(path, text)` for each page, without those that are None.

        A page that cannot be read or parsed is reported and left out. Many pages are parsed in
        several processes, so `parse` may keep nothing but what it returns and reports.
        """
        paths = list(paths)
        number = processes.how_many(len(paths))
        if number == 1:
            return self._parsed(folder, paths, parse)
        parts = [paths[at : at + PAGES_AT_ONCE] for at in range(0, len(paths), PAGES_AT_ONCE)]
        work = partial(self._part, folder, parse)
        parsed: list[T] = []
        for part, done in zip(parts, processes.compute(work, parts, number), strict=True):
            if done.characters > self._left:  # the limit is reached in one of its pages
                parsed += self._parsed(folder, part, parse)
            else:
                parsed += done.parsed
                self._left -= done.characters
                self.report.merge(done.report)
        return parsed

    def _part(
        self, folder: Path, parse: Callable[[str, str], T | None], paths: Sequence[str]
    ) -> _Part[T]:
        """Parse some pages in a process that does nothing else."""
        left = self._left
        self.report.clear()
        return _Part(self._parsed(folder, paths, parse), left - self._left, self.report)

    def _parsed(
        self, folder: Path, paths: Iterable[str], parse: Callable[[str, str], T | None]
    ) -> list[T]:
        parsed: list[T] = []
        for path in paths:
            text = self.text(folder, path)
            if text is None:
                continue
            with self.page(path):
                result = parse(path, text)
                if result is not None:
                    parsed.append(result)
        return parsed

    @contextmanager
    def page(self, path: str) -> Iterator[None]:
        """Run the block that parses a page. If it fails or takes too long, report the page."""
        self.report.losses.page = path
        try:
            with page_time_limit(self.limits.page_seconds):
                yield
        except TooSlow:
            self.report.skip(path, f"took longer than {self.limits.page_seconds:g} s to parse")
        except Exception as error:  # noqa: BLE001 - one page must not stop the others
            self.report.skip(path, f"could not be parsed ({type(error).__name__})")
        finally:
            self.report.losses.page = ""


def _decode(data: bytes) -> tuple[str, int]:
    """Return the text and the first line that cannot be decoded, or 0. Raises Refused."""
    broken = 0
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", errors="replace")
    elif b"\0" in data:
        raise Refused("is a binary file, not text")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            text = decode_html(data, default="utf-8")
            broken = data.count(b"\n", 0, error.start) + 1 if "\ufffd" in text else 0
    return text.replace("\r\n", "\n").replace("\r", "\n"), broken


def _relative(place: str, folder: Path) -> str:
    return shown(Path(place).relative_to(folder).as_posix())


def _is_utf8(name: str) -> bool:
    """Return whether a name from the file system is text; Python keeps other bytes apart."""
    return not any("\ud800" <= ch <= "\udfff" for ch in name)


def shown(name: str) -> str:
    """Return a name from the file system as text that can be encoded."""
    return name.encode("utf-8", "replace").decode("utf-8")
