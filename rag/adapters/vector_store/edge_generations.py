"""The folder of the embedded index: whole generations, one of them current.

    index/
      CURRENT                  name of the generation that readers use, replaced atomically
      lock                     held by the one process that writes, with its process id
      staged-<key>.jsonl       what an unfinished run has already embedded, by model
      building/                a generation that is being made
      20261123-031500-1f2e3d/  a published generation, never changed again
        index.json             IndexInfo, document frequencies, list of pages, file sizes
        pages.jsonl            the pages of the book
        shard/                 the engine's files

A published generation is only ever read, so any number of processes may use it at once.
A reader holds a shared lock on the generation's `index.json`; a generation is removed
only by one who can lock it alone. Locks are flock(2): they end with their process.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError
from rag.models import (
    Block,
    IndexInfo,
    Page,
    Section,
)

FORMAT = 1
"""Layout of a generation; another number is refused with the advice to index again."""
ADVICE = "Run `python ingest.py PATH` to build it again."


class Damaged(ConfigurationError):
    """A generation cannot be used."""


@dataclass(slots=True)
class Generation:
    """A published generation, pinned: it is not removed before `release`."""

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
        """A page by its slug, with or without a slash at its end."""
        bare = slug.rstrip("/")
        spellings = (slug, bare, bare + "/")
        known = next((self.pages[name] for name in spellings if name in self.pages), None)
        if known is None:
            return None
        with (self.path / "pages.jsonl").open("rb") as file:
            file.seek(known[1])
            return _page(json.loads(file.readline()))

    def release(self) -> None:
        os.close(self.descriptor)


def stamp(folder: Path) -> tuple[int, int] | None:
    """Something that changes whenever another generation becomes current; None without one."""
    try:
        status = os.stat(folder / "CURRENT")
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def pin(folder: Path) -> Generation | None:
    """Pin the current generation; None where nothing has been published. Raises Damaged."""
    while True:
        before = stamp(folder)
        if before is None:
            return None
        try:
            return _pin(folder / (folder / "CURRENT").read_text().strip())
        except (OSError, ValueError, KeyError, TypeError, Damaged) as error:
            if stamp(folder) == before:  # it was not just replaced while we looked
                reason = str(error) or type(error).__name__
                raise Damaged(f"The index in {folder} is damaged ({reason}). {ADVICE}") from error


def _pin(path: Path) -> Generation:
    descriptor = os.open(path / "index.json", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not os.fstat(descriptor).st_nlink:
            raise Damaged("it has just been removed")
        with open(descriptor, "rb", closefd=False) as file:
            record = json.load(file)
        if record["format"] != FORMAT:
            raise Damaged(f"its format is {record['format']}, not {FORMAT}")
        for name, size in record["files"].items():
            if (path / name).stat().st_size != size:
                raise Damaged(f"{name} has been cut short")
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

    The one before is removed by the last who uses it, with `sweep`.
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
    _synchronise(building)

    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"
    descriptor = os.open(building / "index.json", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # nobody may sweep it before it is current
        building.rename(path)
        pointer = folder / "CURRENT.new"
        with pointer.open("w") as file:
            file.write(path.name + "\n")
            file.flush()
            os.fsync(file.fileno())
        _synchronise_entry(folder)
        pointer.replace(folder / "CURRENT")
        _synchronise_entry(folder)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove generations that are neither current nor in use, as far as we are allowed to."""
    for path in folder.glob("[0-9]*-[0-9]*-*"):
        try:
            descriptor = os.open(path / "index.json", os.O_RDONLY)
        except FileNotFoundError:  # somebody was interrupted below
            shutil.rmtree(path, ignore_errors=True)
            continue
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (folder / "CURRENT").read_text().strip() != path.name:
                (path / "index.json").unlink()  # first: nobody may pin what is half removed
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(descriptor)


def lock_for_writing(folder: Path) -> int:
    """A descriptor that holds the writer's lock. Raises ConfigurationError if it is taken."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(descriptor, 20).decode(errors="replace").strip()
        os.close(descriptor)
        raise ConfigurationError(
            f"Process {pid or 'unknown'} is already writing to the index in {folder}. "
            "Wait until it has ended."
        ) from None
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a folder without giving disk space to runs of zeros (the engine preallocates)."""
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
    """Bytes of each file that the engine would open, and misread, though it is cut short.

    JSON it checks itself, and rewrites when another release of it opens the shard.
    """
    return {
        str(file.relative_to(path)): file.stat().st_size
        for file in _files(path)
        if file.suffix != ".json"
    }


def _files(path: Path) -> list[Path]:
    """All files below a folder. What another reader's engine writes for a moment does not count."""
    return sorted(
        Path(folder, name)
        for folder, _, names in os.walk(path)  # unlike rglob, walks on when a folder vanishes
        if ".atomicwrite" not in folder
        for name in names
        if ".atomicwrite" not in name
    )


def _synchronise(path: Path) -> None:
    """Bring a folder and everything in it to the disk."""
    for entry in [*path.rglob("*"), path]:
        _synchronise_entry(entry)


def _synchronise_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
