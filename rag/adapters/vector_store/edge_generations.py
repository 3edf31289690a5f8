"""Folder layout of the embedded index: complete generations, one of them current.

    index/
      CURRENT                  name of the generation in use, replaced atomically
      lock                     held by the writing process, with its process id
      staged-<key>.jsonl       points embedded by an unfinished run, per model
      building/                a generation being built
      20261123-031500-1f2e3d/  a published generation, never changed
        index.json             IndexInfo, document frequencies, list of pages, file sizes
        pages.jsonl            the pages of the book
        shard/                 the engine's files

Published generations are read-only, so any number of processes can share one. A reader holds
a shared lock on the generation's `index.json`; removing a generation takes an exclusive lock.
Locks are flock(2), so they end with their process.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rag.adapters import disk
from rag.answering.urls import page_path
from rag.errors import ConfigurationError, IndexMismatch
from rag.models import Block, IndexInfo, Page, Section

FORMAT = 1
"""Version of the layout; an index with another version must be rebuilt."""
ADVICE = "Run `python ingest.py PATH` to build it again."


NO_DAMAGE = frozenset(
    (
        *(errno.EPERM, errno.EACCES, errno.EROFS, errno.EMFILE, errno.ENFILE),
        *(errno.ENOMEM, errno.ENOSPC, errno.EDQUOT),
    )
)
"""Errors of the system that say nothing about the files: a new index would not help."""


class Damaged(ConfigurationError):
    """The files of a generation are not as they were written."""


def unusable(path: Path, reason: str) -> ConfigurationError:
    """Return the error for files that cannot be opened and are not damaged."""
    return ConfigurationError(f"The index in {path} cannot be opened: {reason}.")


class OtherLayout(Damaged, IndexMismatch):
    """A generation was made by another version of this project."""


@dataclass(slots=True)
class Generation:
    """A published generation, pinned: it is not removed until `release`."""

    path: Path
    info: IndexInfo
    document_frequencies: Mapping[int, int]
    pages: Mapping[str, tuple[str, int]]
    """Title and position in `pages.jsonl` by slug, in the book's order."""
    descriptor: int

    @property
    def shard(self) -> Path:
        return self.path / "shard"

    def page(self, slug: str) -> Page | None:
        """Return a page by its slug or its decoded path, with or without a trailing slash."""
        bare = slug.rstrip("/")
        spellings = (slug, bare, bare + "/")
        known = next((self.pages[name] for name in spellings if name in self.pages), None)
        if known is None:
            paths = (self.pages[name] for name in self.pages if page_path(name) == bare)
            known = next(paths, None)
        if known is None:
            return None
        with (self.path / "pages.jsonl").open("rb") as file:
            file.seek(known[1])
            return _page(json.loads(file.readline()))

    def release(self) -> None:
        os.close(self.descriptor)


def stamp(folder: Path) -> tuple[int, int] | None:
    """Return a value that changes with the current generation; None without one.

    Raises ConfigurationError if the folder cannot be entered.
    """
    try:
        status = os.stat(folder / "CURRENT")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(folder, error.strerror or "unknown error") from error
    return status.st_ino, status.st_mtime_ns


def pin(folder: Path) -> Generation | None:
    """Pin and return the current generation, or None. Raises Damaged."""
    while True:
        before = stamp(folder)
        if before is None:
            return None
        try:
            return _pin(folder / (folder / "CURRENT").read_text().strip())
        except (OSError, ValueError, KeyError, TypeError, Damaged) as error:
            if isinstance(error, OSError) and error.errno in NO_DAMAGE:
                raise unusable(folder, error.strerror or "unknown error") from error
            if stamp(folder) == before:  # it was not replaced meanwhile
                if isinstance(error, OtherLayout | KeyError | TypeError):
                    raise OtherLayout(
                        f"The index in {folder} was made by another version of Ask the Book. "
                        f"{ADVICE}"
                    ) from error
                reason = str(error) or type(error).__name__
                raise Damaged(f"The index in {folder} is damaged ({reason}). {ADVICE}") from error


def _pin(path: Path) -> Generation:
    descriptor = os.open(path / "index.json", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not os.fstat(descriptor).st_nlink:
            raise Damaged("it was just removed")
        with open(descriptor, "rb", closefd=False) as file:
            record = json.load(file)
        if record["format"] != FORMAT:
            raise OtherLayout
        for name, size in record["files"].items():
            if (path / name).stat().st_size != size:
                raise Damaged(f"{name} is truncated")
        terms, counts = record["document_frequencies"]
        return Generation(
            path=path,
            info=IndexInfo(**record["info"]),
            document_frequencies=dict(zip(terms, counts, strict=True)),
            pages={slug: (title, position) for slug, title, position in record["pages"]},
            descriptor=descriptor,
        )
    except BaseException:
        os.close(descriptor)
        raise


def publish(
    folder: Path, info: IndexInfo, document_frequencies: Mapping[int, int], pages: Sequence[Page]
) -> None:
    """Make `building/`, whose shard is complete and closed, the current generation.

    The last process to use the previous generation removes it with `sweep`.
    """
    building = folder / "building"
    positions = []
    with (building / "pages.jsonl").open("wb") as file:
        for page in pages:
            positions.append((page.slug, page.title, file.tell()))
            file.write(json.dumps(asdict(page), ensure_ascii=False).encode() + b"\n")
    record = {
        "format": FORMAT,
        "info": asdict(info),
        "document_frequencies": [[*document_frequencies], [*document_frequencies.values()]],
        "pages": positions,
        "files": _sizes(building),
    }
    (building / "index.json").write_text(json.dumps(record, ensure_ascii=False), "utf-8")
    for entry in (*building.rglob("*"), building):
        disk.flush(entry)

    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"
    descriptor = os.open(building / "index.json", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # keeps sweep() away until it is current
        building.rename(path)
        pointer = folder / "CURRENT.new"
        with pointer.open("w") as file:
            file.write(path.name + "\n")
            file.flush()
            os.fsync(file.fileno())
        disk.flush(folder)
        pointer.replace(folder / "CURRENT")
        disk.flush(folder)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove generations that are neither current nor in use, where permissions allow it."""
    for path in folder.glob("[0-9]*-[0-9]*-*"):
        try:
            descriptor = os.open(path / "index.json", os.O_RDONLY)
        except FileNotFoundError:  # a sweep was interrupted below
            shutil.rmtree(path, ignore_errors=True)
            continue
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (folder / "CURRENT").read_text().strip() != path.name:
                # First, so that no half-removed generation can be pinned.
                (path / "index.json").unlink()
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(descriptor)


def lock_for_writing(folder: Path) -> int:
    """Take the writer's lock; return its descriptor. Raises ConfigurationError if it is held."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(descriptor, 20).decode(errors="replace").strip()
        os.close(descriptor)
        raise ConfigurationError(
            f"Process {pid or 'unknown'} is already writing to the index in {folder}. "
            "Wait for it to finish."
        ) from None
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a folder with sparse files: the engine preallocates runs of zeros."""
    for path in _files(source):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as reader, copy.open("wb") as writer:
            while block := reader.read(1 << 16):
                if block.count(0) == len(block):
                    writer.seek(len(block), os.SEEK_CUR)
                else:
                    writer.write(block)
            writer.truncate()


def _sizes(path: Path) -> dict[str, int]:
    """Return the size of each file that the engine would misread if it were truncated.

    JSON files are left out: the engine checks them, and another release may rewrite them.
    """
    return {
        str(file.relative_to(path)): file.stat().st_size
        for file in _files(path)
        if file.suffix != ".json"
    }


def _files(path: Path) -> list[Path]:
    """List all files below a folder, except temporary files of another reader's engine."""
    return sorted(
        Path(folder, name)
        for folder, _, names in os.walk(path)  # unlike rglob, continues if a folder vanishes
        if ".atomicwrite" not in folder
        for name in names
        if ".atomicwrite" not in name
    )


def _page(record: dict[str, Any]) -> Page:
    sections = tuple(
        Section(
            heading=section["heading"],
            level=section["level"],
            anchor=section["anchor"],
            heading_path=tuple(section["heading_path"]),
            blocks=tuple(Block(**block) for block in section["blocks"]),
        )
        for section in record["sections"]
    )
    values = {field.name: record[field.name] for field in fields(Page)}
    return Page(**{**values, "sections": sections})
