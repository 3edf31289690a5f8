"""The MCP tools of `handlers/mcp.py`.

The results of `search` and `fetch` have the form that ChatGPT requires of a connector:
https://platform.openai.com/docs/mcp
"""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from handlers.schemas import Text
from rag.answering import sources
from rag.answering.citation_filter import link_markers
from rag.answering.text_fragments import citation_url
from rag.answering.urls import page_path
from rag.chat import admission, answer_stream, pipeline
from rag.chat.question import Question
from rag.chat.retrieval import outline, search_passages
from rag.chat.space import space_for
from rag.conversations import store as conversations
from rag.errors import InvalidRequest, NotFound, UpstreamError
from rag.indexing.outline import Outline, OutlinePage, markdown, page_chunks
from rag.models import Chunk, Turn
from rag.providers import Clients
from web import json_rpc
from web.field_errors import rest_of_sentence
from web.json_rpc import RpcError
from web.mcp_protocol import tool_error

RESULTS = 8
"""Passages that `search` returns."""
FETCH_CHARACTERS = 40_000
"""Maximum length of a fetched page; of a longer one, the part around the passage is returned."""

QuestionText = Annotated[Text, Field(min_length=1, max_length=2000)]


@dataclass(frozen=True, slots=True)
class Caller:
    """The clients, and the keys that a call is counted under."""

    clients: Clients
    address: str
    by_token: str

    async def count_token(self) -> None:
        """Count a call against the limit of its token. Raises RateLimited."""
        if self.by_token:
            await admission.admit(self.clients, self.by_token)


class SearchArguments(BaseModel):
    query: QuestionText = Field(description="What to look for, as a question or as keywords.")


class SearchItem(BaseModel):
    id: str = Field(description="Pass this to fetch.")
    title: str
    url: str = Field(description="Link to the passage on the book's site.")
    text: str = Field(description="The passage, as Markdown.")


class SearchResult(BaseModel):
    results: list[SearchItem]


class FetchArguments(BaseModel):
    id: Annotated[Text, Field(min_length=1, max_length=2000)] = Field(
        description="The id of a search result."
    )


class FetchResult(BaseModel):
    id: str
    title: str
    text: str = Field(description="The page that contains the passage, as Markdown.")
    url: str
    metadata: dict[str, str]


class AskArguments(BaseModel):
    question: QuestionText = Field(description="The question, in full sentences.")
    conversation_id: str | None = Field(
        None, description="From an earlier answer, to ask a follow-up question."
    )


class AskSource(BaseModel):
    number: int = Field(description="The citation [number] in the answer.")
    title: str
    url: str
    text: str = Field(description="The sentences that the answer is based on.")


class AskResult(BaseModel):
    answer: str = Field(description="The answer as Markdown, with linked citations.")
    found: Literal["answer", "nearest", "nothing"] = Field(
        description="Whether the book answers the question, has related sections, or nothing."
    )
    sources: list[AskSource]
    conversation_id: str = Field(description="Pass this to ask a follow-up question.")


class GapArguments(BaseModel):
    question: QuestionText = Field(description="What the book should answer.")
    comment: Annotated[Text, Field(max_length=1000)] = Field(
        "", description="What was missing or wrong, for the author."
    )


class GapResult(BaseModel):
    recorded: bool
    conversation_id: str = Field(description="The report can be deleted under this id.")


async def search(caller: Caller, arguments: SearchArguments) -> SearchResult:
    """Find the passages of the book that are closest to a query. Calls no model."""
    await caller.count_token()
    found = await search_passages(caller.clients, arguments.query, RESULTS, caller.address)
    items = [
        SearchItem(
            id=source.chunk_id,
            title=" › ".join(part for part in (source.title, source.section) if part),
            url=source.url,
            text=text,
        )
        for source, text in found
    ]
    return SearchResult(results=items)


async def fetch(caller: Caller, arguments: FetchArguments) -> FetchResult:
    """Return the whole page of a search result, as Markdown. Calls no model."""
    store = await caller.clients.store()
    site = await sources.citation_base(caller.clients.settings, store, caller.address)
    page, position = _find(await outline(caller.clients), arguments.id, site)
    chunks = await page_chunks(store, page.slug, page.first, page.last)
    if not chunks:
        raise NotFound(detail="The book has just changed. Please search again.")
    at = next((n for n, c in enumerate(chunks) if c.order_index >= position), 0)
    shown = _window(chunks, at)
    chunk = chunks[at]
    metadata = {
        "section": chunk.section,
        "source_path": chunk.source_path,
        "language": chunk.language,
        "complete": "true" if len(shown) == len(chunks) else "false",
    }
    return FetchResult(
        id=arguments.id,
        title=page.title,
        text=markdown(shown),
        url=citation_url(site, chunk.slug, ""),
        metadata=metadata,
    )


async def ask(caller: Caller, arguments: AskArguments) -> AskResult:
    """Answer a question from the book alone, with linked citations.

    Says in `found` whether the book answers it. Counts as a reader's question.
    """
    await caller.count_token()
    question = Question(arguments.question, arguments.conversation_id or "", address=caller.address)
    answer = await answer_stream.collect(await pipeline.ask(caller.clients, question))
    urls = {n: [c.url for c in s.claims] or [s.url] for n, s in enumerate(answer.sources, 1)}
    cited = [
        AskSource(
            number=n,
            title=" › ".join(part for part in (source.title, source.section) if part),
            url=source.url,
            text=source.snippet,
        )
        for n, source in enumerate(answer.sources, 1)
    ]
    return AskResult(
        answer=link_markers(answer.message, urls),
        found=answer.metadata.get("found") or "nothing",
        sources=cited,
        conversation_id=answer.session_id,
    )


async def report_gap(caller: Caller, arguments: GapArguments) -> GapResult:
    """Tell the author of the book what you could not find in it. Changes nothing in the book."""
    clients = caller.clients
    await caller.count_token()
    metadata = {"answered": False, "found": "nothing", "answered_by": "report_gap"}
    turn = Turn(arguments.question, "", metadata={**metadata, "response_time_ms": 0})
    size = conversations.stored_bytes(turn) + len(arguments.comment.encode())
    async with space_for(clients, caller.address, size):
        session_id = await _saved_gap(clients, turn, arguments.comment)
    return GapResult(recorded=True, conversation_id=session_id)


async def _saved_gap(clients: Clients, turn: Turn, comment: str) -> str:
    """Save a gap as a conversation of one turn, and return its id."""
    database, session_id = await clients.database(), conversations.new_session_id()
    saved = await conversations.save(
        database, session_id, turn, new=True, retention_days=clients.settings.retention_days
    )
    if saved is None:
        raise UpstreamError("a reported gap was not saved", service="postgres")
    if comment:
        await conversations.rate(database, session_id, saved.n, -1, comment)
    return session_id


@dataclass(frozen=True, slots=True)
class Tool:
    title: str
    function: Callable[[Caller, Any], Awaitable[BaseModel]]
    arguments: type[BaseModel]
    result: type[BaseModel]


TOOLS = {
    "search": Tool("Search the book", search, SearchArguments, SearchResult),
    "fetch": Tool("Read a page of the book", fetch, FetchArguments, FetchResult),
    "ask": Tool("Ask the book", ask, AskArguments, AskResult),
    "report_gap": Tool("Report a gap in the book", report_gap, GapArguments, GapResult),
}


@functools.cache
def listed() -> dict[str, Any]:
    """Answer `tools/list`."""
    return {
        "tools": [
            {
                "name": name,
                "title": tool.title,
                "description": " ".join((tool.function.__doc__ or "").split()),
                "inputSchema": tool.arguments.model_json_schema(),
                "outputSchema": tool.result.model_json_schema(mode="serialization"),
                "annotations": {"title": tool.title, "readOnlyHint": True, "openWorldHint": False},
            }
            for name, tool in TOOLS.items()
        ]
    }


async def call(
    clients: Clients, params: Mapping[str, Any], address: str, by_token: str
) -> dict[str, Any]:
    """Answer `tools/call`. Mistakes in arguments are results that a model can read and correct."""
    name, given = params.get("name"), params.get("arguments")
    if not isinstance(name, str) or name not in TOOLS:
        raise RpcError(json_rpc.INVALID_PARAMS, f"There is no tool named {str(name)[:100]}.")
    if not isinstance(given, dict | None):
        raise RpcError(json_rpc.INVALID_PARAMS, "The arguments of a tool must be a JSON object.")
    tool = TOOLS[name]
    try:
        arguments = tool.arguments.model_validate(given or {})
    except ValidationError as error:
        return tool_error(" ".join(_sentence(problem) for problem in error.errors()))
    try:
        result = await tool.function(Caller(clients, address, by_token), arguments)
    except (NotFound, InvalidRequest) as error:
        return tool_error(error.detail)
    content = result.model_dump(mode="json")
    text = json.dumps(content, ensure_ascii=False)
    return {
        "content": [{"type": "text", "text": text}],
        "structuredContent": content,
        "isError": False,
    }


def _sentence(problem: Mapping[str, Any]) -> str:
    return f"The argument “{problem['loc'][0]}” is invalid: it {rest_of_sentence(problem)}."


def _find(known: Outline, wanted: str, site: str) -> tuple[OutlinePage, int]:
    """Find a passage by its id, or a page by its address. Raises NotFound."""
    if (position := known.positions.get(wanted)) is not None:
        page = next((p for p in known.pages if p.first <= position <= p.last), None)
    else:
        path = page_path(wanted.removeprefix(site))
        page, position = known.at(path) or known.at(path.removesuffix(".md")), 0
    if page is None:
        raise NotFound(detail="The book has no passage with this id. Take an id from search.")
    return page, position


def _window(chunks: Sequence[Chunk], at: int) -> Sequence[Chunk]:
    """Return the chunks around the one at `at`, up to FETCH_CHARACTERS in total."""
    begin, end, length = at, at + 1, len(chunks[at].text)
    while begin > 0 or end < len(chunks):
        before = begin > 0 and (end == len(chunks) or at - begin <= end - at)
        following = chunks[begin - 1 if before else end]
        length += len(following.text)
        if length > FETCH_CHARACTERS:
            break
        begin, end = (begin - 1, end) if before else (begin, end + 1)
    return chunks[begin:end]
