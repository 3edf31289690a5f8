"""Check the free space of a disk, and flush what is written to it.

Space is checked before a file is mapped into memory: writing to a mapped file ends the
process (SIGBUS) when the disk is full; nothing can catch that.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rag.errors import ConfigurationError

MB = 1_000_000


class DiskFull(ConfigurationError):
    """There is too little space to go on."""


def check_space(folder: Path, needed: int, purpose: str) -> None:
    """Raise DiskFull if the disk that `folder` is or will be on has fewer than `needed` bytes."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return  # writing will fail with a reason of its own
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if status.f_blocks and free < needed:
        raise DiskFull(
            f"The disk of {folder} is full: {purpose} needs {needed / MB:.0f} MB, and "
            f"{free / MB:.0f} MB are free. Free some space, or set DATA_DIR to a folder on another "
            "disk."
        )


def is_in_memory(folder: Path) -> bool:
    """Whether a folder is on a tmpfs, where even reading a hole of a mapped file takes space."""
    device = os.stat(folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):  # not Linux
        for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
            mount, _, kind = line.partition(" - ")
            if mount.split()[2] == number:
                return kind.split()[0] in ("tmpfs", "ramfs")
    return False


def holes(files: Iterable[Path]) -> int:
    """Return how many bytes of sparse files have no space on the disk yet."""
    statuses = [file.stat() for file in files]
    return sum(max(0, status.st_size - 512 * status.st_blocks) for status in statuses)


def flush(path: Path) -> None:
    """Write a file's content, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
