"""Data classes shared between layers. All are frozen, so tasks can share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

# ---------------------------------------------------------------- the book


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a section as a reader sees it on the page.

    `text` is what the page shows: emphasis and links are reduced to their words, inline
    code keeps its backticks, lists keep their bullets or numbers and indentation, a table
    is Markdown rows, code is a fenced block with its language.
    """

    kind: Literal["paragraph", "list", "table", "code", "links"]
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it, up to the next heading of any level.

    The text before a page's first heading is a section of level 1 whose `heading` is the
    page's title and whose `anchor` is empty.
    """

    heading: str
    level: int
    anchor: str
    heading_path: tuple[str, ...]
    """Headings from the outermost to this one, without the page's title."""
    blocks: tuple[Block, ...]

    @property
    def asks(self) -> bool:
        """Whether the heading is a question, which what follows answers."""
        return self.heading.endswith(("?", "？", "؟"))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the site, as its generator would publish it."""

    source_path: str
    """Path of the source below the book's folder, with forward slashes."""
    title: str
    slug: str
    """Path on the site without a leading slash and without an anchor; empty for the root."""
    sections: tuple[Section, ...]
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of the book as it is stored, embedded and cited."""

    chunk_id: str
    """A UUID made from what is embedded, so the same text always has the same id."""
    text: str
    title: str
    """The page's title."""
    section: str
    """The heading path as one line, `Install › Linux`; empty above the first heading."""
    slug: str
    """Path on the site with its anchor: `docs/chapter-1#core-challenges`."""
    source_path: str
    order_index: int
    """Position in the book, from 0."""
    language: str = "en"
    anchors: tuple[str, ...] = ()
    """The anchor of each heading line within `text`, in order."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "anchors", tuple(self.anchors))  # JSON knows lists only

    @property
    def embedded_text(self) -> str:
        """What is embedded: the text under its page title and heading path."""
        head = self.title if not self.section else f"{self.title} › {self.section}"
        return f"{head}\n\n{self.text}"


# ---------------------------------------------------------------- retrieval


@dataclass(frozen=True, slots=True)
class SparseVector:
    """A bag of terms: `indices` are 32-bit term hashes, ascending; `values` their weights."""

    indices: tuple[int, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """A chunk with its vectors, as it is written to the index."""

    chunk: Chunk
    dense: Sequence[float]
    sparse: SparseVector


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What the index records about itself."""

    embedding_model: str
    dimensions: int
    chunks: int = 0
    book_title: str = ""
    language: str = "en"
    fingerprint: str = ""
    """Hash of the chunking rules and the sources; equal means nothing to do."""
    site_url: str = ""
    """Address of the book's site as the book itself says, without a trailing slash."""
    starters: tuple[str, ...] = ()
    """Questions to begin with that the book answers: its own headings."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "starters", tuple(self.starters))  # JSON knows lists only


@dataclass(frozen=True, slots=True)
class Hit:
    """A candidate with both of its raw scores."""

    chunk: Chunk
    dense: float
    """Cosine similarity, -1 to 1."""
    sparse: float
    """BM25 score, 0 and up; 0 where no term of the question is in the chunk."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The union of the dense and the sparse candidates, each hit with both scores."""

    hits: tuple[Hit, ...]
    total: int
    """Number of chunks in the index."""
    document_frequencies: Mapping[int, int] = field(default_factory=dict)
    """For each term of the question that the index knows: in how many chunks it occurs."""
    info: IndexInfo | None = None
    """What the index records about itself, where the same round trip brought it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found for a question."""

    chunk: Chunk
    score: float
    """Relevance, from 0 (unrelated) to 1 (surely answers)."""


Grade: TypeAlias = Literal["answer", "nearest", "nothing"]
"""What the book has for a question: an answer, only the nearest sections, or nothing near."""


@dataclass(frozen=True, slots=True)
class Found:
    """The passages for a question, best first, and what the best of them is worth."""

    passages: tuple[Passage, ...] = ()
    grade: Grade = "nothing"


# ---------------------------------------------------------------- conversation


@dataclass(frozen=True, slots=True)
class Claim:
    """Where one citation marker leads: to the sentence that its claim rests on."""

    slug: str
    section: str
    url: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Source:
    """What an answer cites, as the HTTP contract shows it.

    `slug`, `section`, `url` and `snippet` are those of the first claim.
    """

    chunk_id: str
    title: str
    section: str
    slug: str
    url: str
    snippet: str
    score: float
    source_path: str = ""
    highlight: str = ""
    """The sentence nearest to the question, as a page shows it: without Markdown."""
    claims: tuple[Claim, ...] = ()
    """One for each marker of this source in the message, in the order of the markers."""


@dataclass(frozen=True, slots=True)
class Related:
    """A section near the answer that the answer does not cite."""

    title: str
    section: str
    slug: str
    url: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its whole answer."""

    question: str
    answer: str
    sources: tuple[Source, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    n: int = 0
    """Position in the session, from 1; 0 until it is saved."""
    created_at: datetime | None = None
    rating: int | None = None
    """1 for thumbs up, -1 for thumbs down; None where the reader has not judged."""
    related: tuple[Related, ...] = ()


@dataclass(frozen=True, slots=True)
class Brief:
    """All that an answerer may use."""

    question: str
    """What the reader typed."""
    passages: Sequence[Passage] = ()
    """In descending score; `[n]` in the answer means the n-th, from 1."""
    history: Sequence[Turn] = ()
    """Earlier turns, oldest first."""
    highlighted: str = ""
    """Text that the reader has selected on the page, below the headings above it."""
    standalone: str = ""
    """The question made independent of the history, where a model did that."""
    selected: str = ""
    """The selected text alone."""
    grade: Grade = "answer"
    around: Sequence[Chunk] = ()
    """The chunks beside the best passage and it itself, in the book's order."""
    site_url: str = ""
    """Where links to sections lead."""
    language: str = "en"
    """Of the book."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that an answer cost, and why the model stopped."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: Literal["stop", "length", "refusal", "content_filter"] = "stop"

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Highlights:
    """The sentence of each quoted passage that is nearest to the question, without Markdown."""

    sentences: Mapping[int, str]
    """By passage number, from 1."""
