"""Handlers called as plain functions, each call in a loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from fastapi.responses import StreamingResponse

from handlers.chat import ChatRequest, ChatResponse, chat
from handlers.config import config
from handlers.delete import delete
from handlers.export import export
from handlers.health import health
from handlers.history import history
from handlers.search import SearchRequest, search
from rag.errors import NotFound
from rag.models import Chunk
from rag.providers import get_clients

QUESTION = "How do I delete a conversation?"


@pytest.fixture(autouse=True)
def _in_process(in_process: Path) -> None:
    """The handbook's index and a history, used by this very process."""


def ask(message: str, session_id: str | None = None, key: str = "") -> ChatResponse:
    request = ChatRequest(message=message, session_id=session_id)
    answer = asyncio.run(chat(request, idempotency_key=key))
    assert isinstance(answer, ChatResponse)
    return answer


async def downloaded(session_id: str) -> str:
    response = await export(session_id)
    assert isinstance(response, StreamingResponse)
    return "".join([str(piece) async for piece in response.body_iterator])


def test_ask_read_and_delete() -> None:
    answer = ask(QUESTION)
    assert "delete" in answer.sources[0].slug.partition("#")[2]
    kept = asyncio.run(history(answer.session_id))
    assert [turn.question for turn in kept.turns] == [QUESTION]
    exported = asyncio.run(downloaded(answer.session_id))
    assert answer.message.split(" [1]")[0] in exported
    assert f"[\\[1\\]](<{answer.sources[0].claims[0].url}>)" in exported
    assert asyncio.run(delete(answer.session_id)).deleted == 1
    with pytest.raises(NotFound):
        asyncio.run(delete(answer.session_id))
    with pytest.raises(NotFound):
        asyncio.run(export(answer.session_id))
    with pytest.raises(NotFound):
        asyncio.run(history(answer.session_id))


def test_the_book_answers_what_the_chat_offers() -> None:
    offered = asyncio.run(config()).starters
    assert len(offered) > 1
    for question in offered:
        assert ask(question).metadata["found"] == "answer", question


def test_related_sections_are_other_sections_and_stay_with_the_turn() -> None:
    answer = ask(QUESTION)
    assert answer.related
    cited = {(source.title, source.section) for source in answer.sources}
    assert not cited & {(section.title, section.section) for section in answer.related}
    kept = asyncio.run(history(answer.session_id)).turns[0]
    assert kept.related == answer.related
    assert "related" not in kept.metadata


def test_an_answer_does_not_wait_for_the_rest_of_its_section(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async def never(order_index: int, reach: int) -> Sequence[Chunk]:
            await asyncio.Event().wait()
            return ()

        monkeypatch.setattr(await get_clients().store(), "neighbours", never)
        async with asyncio.timeout(20):
            answer = await chat(ChatRequest(message=QUESTION))
        assert isinstance(answer, ChatResponse)
        assert answer.sources

    asyncio.run(main())


def test_a_highlighted_passage_is_answered_whatever_is_asked_of_it() -> None:
    text = asyncio.run(search(SearchRequest(query="deleting a conversation"))).results[0].text
    selected = text.split(". ")[0]
    for message in ("explain this", "why?", "an example?", "what is this?"):
        answer = asyncio.run(chat(ChatRequest(message=message, context=selected)))
        assert isinstance(answer, ChatResponse)
        assert answer.metadata["found"] == "answer"
        assert answer.sources[0].score == 1
        assert answer.sources[0].highlight in " ".join(text.split())


def test_a_follow_up_is_not_answered_with_the_same_again() -> None:
    first = ask(QUESTION)
    second = ask("And how long does that take?", first.session_id)
    assert second.message != first.message
    assert second.metadata["answered"]


def test_typos_do_not_silence_the_book() -> None:
    for typos in ("hwo do i delte a convrsation", "delet conversatoin"):
        answer = ask(typos)
        assert answer.metadata["found"] == "answer", typos
        assert "delete" in answer.message


def test_the_book_introduces_itself() -> None:
    for message in ("hi", "What is this about?", "help", "who are you?"):
        answer = ask(message)
        assert answer.metadata["found"] == "answer"
        assert answer.message.count("[1]") == 1, "its first paragraph"
        assert "- How do I" in answer.message, "what can be asked"
    assert ask("thanks!").sources == []


def test_thanks_are_no_question_that_the_book_failed() -> None:
    answer = ask("Thanks a lot!")
    assert answer.message.startswith("You are welcome.")
    assert answer.metadata["answered"]
    assert not ask("Which planet is the largest?").metadata["answered"]


def test_the_answer_is_the_same_in_every_loop() -> None:
    first, second = ask(QUESTION), ask(QUESTION)
    assert first.message == second.message
    assert first.sources == second.sources
    assert first.session_id != second.session_id


def test_questions_at_once_in_one_session_are_all_kept() -> None:
    session = ask(QUESTION).session_id

    async def many() -> None:
        await asyncio.gather(
            *(
                chat(ChatRequest(message=f"What is question {n}?", session_id=session))
                for n in range(12)
            )
        )

    asyncio.run(many())
    kept = asyncio.run(history(session))
    assert [turn.n for turn in kept.turns] == list(range(1, 14))
    assert {turn.question for turn in kept.turns[1:]} == {
        f"What is question {n}?" for n in range(12)
    }


def test_a_repeated_question_with_the_same_key_is_one_turn() -> None:
    first = ask(QUESTION, key="8f14e45f-ceea-467f-a0e6-1c1b5b5f0a11")
    again = ask(QUESTION, key="8f14e45f-ceea-467f-a0e6-1c1b5b5f0a11")
    assert again.session_id == first.session_id
    assert asyncio.run(history(first.session_id)).total == 1


def test_a_stream_is_a_response_that_has_already_begun() -> None:
    async def first_bytes() -> bytes:
        response = await chat(ChatRequest(message=QUESTION), accept="text/event-stream")
        assert isinstance(response, StreamingResponse)
        async for chunk in response.body_iterator:
            return bytes(chunk) if not isinstance(chunk, str) else chunk.encode()
        return b""

    assert asyncio.run(first_bytes()).startswith(b"event: session\ndata: {")


def test_search_and_health() -> None:
    found = asyncio.run(search(SearchRequest(query="retention", top_k=2)))
    assert len(found.results) == 2
    assert asyncio.run(health()).status == "ok"
    assert asyncio.run(health(deep=True)).problems == {}
