"""Append-only file of points that are embedded but not published, one per line.

`append` returns once the points are on disk. If a crash truncated a line, that line and
everything after it are dropped when the journal is opened.
"""

from __future__ import annotations

import base64
import json
import os
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from rag.models import Chunk, Point, SparseVector


class Journal:
    """Points by chunk id. Memory holds ids, chunks and file positions, but no vectors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.chunks: dict[str, Chunk] = {}
        self._positions: dict[str, int] = {}
        self._file = path.open("a+b")
        self._file.seek(0)
        whole = 0
        for line in self._file:
            try:
                point = _decode(line)
            except (ValueError, KeyError, TypeError):
                break
            self._remember(point.chunk, whole)
            whole += len(line)
        self._file.truncate(whole)

    def append(self, points: Sequence[Point]) -> None:
        position = self._file.seek(0, os.SEEK_END)
        for point in points:
            line = _encode(point)
            self._file.write(line)
            self._remember(point.chunk, position)
            position += len(line)
        self._file.flush()
        os.fsync(self._file.fileno())

    def read(self, chunk_id: str) -> Point:
        self._file.seek(self._positions[chunk_id])
        return _decode(self._file.readline())

    def close(self) -> None:
        """Close the file, and remove it if it is empty."""
        with suppress(OSError):  # `append` reported it; the next open drops the rest
            self._file.close()
        if not self._positions:
            self.path.unlink(missing_ok=True)

    def delete(self) -> None:
        self.chunks.clear()
        self._positions.clear()
        self._file.truncate(0)

    def _remember(self, chunk: Chunk, position: int) -> None:
        self.chunks[chunk.chunk_id] = chunk
        self._positions[chunk.chunk_id] = position


def _encode(point: Point) -> bytes:
    record = {
        "chunk": asdict(point.chunk),
        "dense": base64.b64encode(array("f", point.dense)).decode(),
        "sparse": [point.sparse.indices, point.sparse.values],
    }
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def _decode(line: bytes) -> Point:
    if not line.endswith(b"\n"):
        raise ValueError("cut short")
    record = json.loads(line)
    indices, values = record["sparse"]
    return Point(
        chunk=Chunk(**record["chunk"]),
        dense=array("f", base64.b64decode(record["dense"], validate=True)),
        sparse=SparseVector(tuple(indices), tuple(values)),
    )
