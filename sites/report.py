"""Collect what one run could not use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sites.losses import Losses


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be used, or only in part; the message names it and says why."""

    source_path: str
    message: str
    skipped: bool = False
    """Whether nothing of the file was read."""


class Report:
    """Collects the problems and losses of one run. The same problem counts once."""

    def __init__(self) -> None:
        self.losses = Losses()
        self._found: dict[Problem, None] = {}

    @property
    def problems(self) -> list[Problem]:
        return list(self._found)

    def add(self, source_path: str, message: str, *, skipped: bool = False) -> None:
        """Add a problem. The message reads on from the path: `has broken front matter.`"""
        self._found[Problem(source_path, f"{source_path} {message}", skipped)] = None

    def add_all(self, source_path: str, messages: Sequence[str]) -> None:
        for message in messages:
            self.add(source_path, message)

    def skip(self, source_path: str, reason: str) -> None:
        """Add a file that is left out. The reason reads on from the path: `is empty`."""
        self.add(source_path, f"{reason}, so it was skipped.", skipped=True)

    def merge(self, other: Report) -> None:
        self._found.update(other._found)
        self.losses.merge(other.losses)

    def clear(self) -> None:
        self._found.clear()
        self.losses.clear()
