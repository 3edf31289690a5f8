"""Data classes shared between layers. All are frozen, so tasks can share them safely."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

# ---------------------------------------------------------------- the book


@dataclass(frozen=True, slots=True)
class Block:
    """Part of a section, as it appears on the page.

    `text` has emphasis and links reduced to their words. Inline code keeps its backticks, lists
    keep their markers and indentation, tables are Markdown rows, and code is a fenced block with
    its language.
    """

    kind: Literal["paragraph", "list", "table", "code", "links"]
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the content below it, up to the next heading of any level.

    Text before a page's first heading is a section of level 1. Its `heading` is the page title
    and its `anchor` is empty.
    """

    heading: str
    level: int
    anchor: str
    heading_path: tuple[str, ...]
    """Headings from the outermost to this one, without the page title."""
    blocks: tuple[Block, ...]

    @property
    def is_question(self) -> bool:
        """Whether the heading is a question that the section answers."""
        return self.heading.endswith(("?", "？", "؟"))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the site, as its generator would publish it."""

    source_path: str
    """Path of the source file relative to the book's folder, with forward slashes."""
    title: str
    slug: str
    """Path on the site, without leading slash or anchor; empty for the root.

    `%`, `?`, `#` and `\\` of a file's name are percent-encoded: `C%23 guide` for `C# guide`.
    """
    sections: tuple[Section, ...]
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of the book: the unit that is stored, embedded and cited."""

    chunk_id: str
    """A UUID derived from the embedded text, so the same text always has the same id."""
    text: str
    title: str
    """The page title."""
    section: str
    """The heading path, such as `Install › Linux`; empty above the first heading."""
    slug: str
    """Path on the site with its anchor, such as `docs/chapter-1#core-challenges`."""
    source_path: str
    order_index: int
    """Position in the book, from 0."""
    language: str = "en"
    anchors: tuple[str, ...] = ()
    """The anchor of each heading line within `text`, in order."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "anchors", tuple(self.anchors))  # JSON has no tuples

    @property
    def embedded_text(self) -> str:
        """The text to embed: page title and heading path, then the chunk's text."""
        head = self.title if not self.section else f"{self.title} › {self.section}"
        return f"{head}\n\n{self.text}"

    @property
    def place(self) -> str:
        """Hash of what may change while the id stays: page, section, links and language."""
        known = (self.title, self.section, self.slug, self.source_path, self.language, self.anchors)
        return hashlib.sha256(repr(known).encode("utf-8", "surrogatepass")).hexdigest()[:16]


# ---------------------------------------------------------------- retrieval


@dataclass(frozen=True, slots=True)
class SparseVector:
    """A bag of words. `indices` are 32-bit term hashes, ascending; `values` are their weights."""

    indices: tuple[int, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """A chunk with its vectors, as written to the index."""

    chunk: Chunk
    dense: Sequence[float]
    sparse: SparseVector


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """The index's metadata."""

    embedding_model: str
    dimensions: int
    chunks: int = 0
    book_title: str = ""
    language: str = "en"
    fingerprint: str = ""
    """Hash of the tokenization rules and the content. If it is unchanged, so is the index."""
    site_url: str = ""
    """URL of the book's site, from the book's own configuration, without a trailing slash."""
    starters: tuple[str, ...] = ()
    """Suggested first questions, taken from the book's headings."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "starters", tuple(self.starters))  # JSON has no tuples


@dataclass(frozen=True, slots=True)
class Hit:
    """A candidate chunk with its two raw scores."""

    chunk: Chunk
    dense: float
    """Cosine similarity, -1 to 1."""
    sparse: float
    """BM25 score, 0 or more; 0 if the chunk has no term of the question."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The union of dense and sparse candidates, each with both scores."""

    hits: tuple[Hit, ...]
    total: int
    """Number of chunks in the index."""
    document_frequencies: Mapping[int, int] = field(default_factory=dict)
    """Number of chunks that contain each term of the question; absent terms are left out."""
    info: IndexInfo | None = None
    """The index's metadata, if the same round trip returned it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk retrieved for a question."""

    chunk: Chunk
    score: float
    """Relevance, from 0 (unrelated) to 1 (certainly answers)."""


Grade: TypeAlias = Literal["answer", "nearest", "nothing"]
"""How well the book covers a question: it answers it, has related sections, or has nothing."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The passages for a question, best first, and the grade of the best one."""

    passages: tuple[Passage, ...] = ()
    grade: Grade = "nothing"


# ---------------------------------------------------------------- conversation


@dataclass(frozen=True, slots=True)
class Claim:
    """The target of one citation marker: the sentence that supports the claim."""

    slug: str
    section: str
    url: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Source:
    """A cited passage, in the form that the HTTP API returns.

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
    """The sentence closest to the question, without Markdown."""
    claims: tuple[Claim, ...] = ()
    """One per marker of this source in the message, in order."""


@dataclass(frozen=True, slots=True)
class RelatedSection:
    """A relevant section that the answer does not cite."""

    title: str
    section: str
    slug: str
    url: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its complete answer."""

    question: str
    answer: str
    sources: tuple[Source, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    n: int = 0
    """Position in the session, from 1; 0 until it is saved."""
    created_at: datetime | None = None
    rating: int | None = None
    """1 for thumbs up, -1 for thumbs down, None if not rated."""
    related: tuple[RelatedSection, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """Everything that an answer to one question is made from."""

    question: str
    """The question as the reader typed it."""
    passages: Sequence[Passage] = ()
    """Best first. `[n]` in the answer cites the n-th, counting from 1."""
    history: Sequence[Turn] = ()
    """Earlier turns, oldest first."""
    highlighted: str = ""
    """Text that the reader selected on the page, preceded by the page title and heading."""
    standalone: str = ""
    """The question rewritten to stand alone, if a model did that."""
    selected: str = ""
    """The selected text alone."""
    grade: Grade = "answer"
    neighbours: Sequence[Chunk] = ()
    """The best passage and the chunks around it, in book order."""
    site_url: str = ""
    """Base URL of links to sections."""
    language: str = "en"
    """Language of the book."""
    reader_language: str = ""
    """Language of the reader's browser, if known."""
    second_look: bool = False
    """Whether the model was asked where to look further, because the first search was weak."""


CUT_OFF = ("length", "content_filter")
"""The `finish_reason` of answers that were cut off."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens used by an answer, and why the model stopped."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: Literal["stop", "length", "refusal", "content_filter"] = "stop"
    model: str = ""
    """The model that answered, if there are several."""

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Completion:
    """A short reply as a whole, and the tokens that it took."""

    text: str
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Restart:
    """The answer starts over. Discard the text received before this."""


@dataclass(frozen=True, slots=True)
class Highlights:
    """In each quoted passage, the sentence closest to the question, without Markdown."""

    sentences: Mapping[int, str]
    """Keyed by passage number, counting from 1."""
