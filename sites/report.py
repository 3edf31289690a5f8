"""Collect what one run could not use, and name what the book loses in a line for each kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

SHOWN = 5
"""Places that a line names; the others are counted."""
MAX_DETAIL = 80


class Loss(NamedTuple):
    """Something that the published site shows and the book does not."""

    kind: str
    """Noun and verb in the plural, such as `imports could not be found`."""
    place: str
    """File, with `:line` where it is known."""
    detail: str = ""
    """Which one, as the author wrote it."""
    pages: tuple[str, ...] = ()
    """Source paths of the pages that lack it; none if it concerns the whole site."""


class Losses:
    """The losses of one run. The same loss counts once."""

    def __init__(self) -> None:
        self.page = ""
        """Source path of the page that is being read, or ""."""
        self._found: dict[Loss, dict[str, None]] = {}

    def add(self, kind: str, place: str, detail: str = "") -> None:
        detail = " ".join(detail.split())
        if len(detail) > MAX_DETAIL:
            detail = detail[: MAX_DETAIL - 1] + "…"
        pages = self._found.setdefault(Loss(kind, place, detail), {})
        if self.page:
            pages[self.page] = None

    def merge(self, other: Losses) -> None:
        """Add the losses of another run."""
        for loss, pages in other._found.items():
            self._found.setdefault(loss, {}).update(pages)

    def clear(self) -> None:
        self._found.clear()

    def __iter__(self) -> Iterator[Loss]:
        return (loss._replace(pages=tuple(pages)) for loss, pages in self._found.items())


def sentences(losses: Iterable[Loss]) -> Iterator[tuple[str, str]]:
    """Yield (first place, sentence) for each kind of loss."""
    kinds: dict[str, list[Loss]] = {}
    for loss in losses:
        kinds.setdefault(loss.kind, []).append(loss)
    return ((losses[0].place, _sentence(kind, losses)) for kind, losses in kinds.items())


def _sentence(kind: str, losses: list[Loss]) -> str:
    named = [f"{loss.place}: {loss.detail}" if loss.detail else loss.place for loss in losses]
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    if len(losses) == 1:
        noun, _, rest = kind.partition(" ")
        kind = f"{noun.removesuffix('s')} {rest}"
        kind = kind.replace(" are ", " is ", 1).replace(" were ", " was ", 1)
    return f"{len(losses)} {kind}: {'; '.join(named[:SHOWN])}{more}."


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
