"""Answers that quote: which sections, how much of each, and where their markers stand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.adapters.embedding.minilm import LocalEmbedder
from rag.answering.citation_filter import CitationFilter, renumber
from rag.answering.claims import find_markers
from rag.answering.extractive import (
    BEST_SECTION,
    MAX_NAMED,
    MAX_QUOTED,
    OTHER_SECTION,
    choose_sections,
    quote_sections,
)
from rag.indexing.chunking import LIMIT
from rag.interfaces import Embedder
from rag.language.small_talk import fixed_text as fixed
from rag.models import (
    AnswerRequest,
    Chunk,
    Highlights,
    Passage,
    Source,
    Turn,
    Usage,
)

SITE = "https://b.dev"
CATS = "Cats sleep most of the day. They like warm places."
DOGS = "Dogs bark at night. They like cats, some say."


def chunk(text: str, n: int = 0, **fields: Any) -> Chunk:
    fields = {"title": "Guide", "section": f"Part {n}", "slug": f"guide#part-{n}", **fields}
    return Chunk(f"id-{n}", text, source_path="guide.md", order_index=10 * n, **fields)


def passages(*chunks: Chunk | str) -> list[Passage]:
    made = (chunk(c, n) if isinstance(c, str) else c for n, c in enumerate(chunks))
    return [Passage(c, 0.9 - n / 100) for n, c in enumerate(made)]


def answer(
    question: str, found: Sequence[Passage], embedder: Embedder | None = None, **request: Any
) -> tuple[str, dict[int, str]]:
    """The message as it leaves the answerer, and what it highlights."""

    async def parts() -> list[object]:
        asked = AnswerRequest(question, found, **{"site_url": SITE, **request})
        return [part async for part in await quote_sections(asked, embedder)]

    message, *rest = asyncio.run(parts())
    assert rest.pop() == Usage()
    assert isinstance(message, str)
    highlights = rest[0] if rest else Highlights({})
    assert isinstance(highlights, Highlights)
    assert_sound(message, len(found))
    return message, dict(highlights.sentences)


def assert_sound(message: str, count: int) -> None:
    """Every marker is our own: none is lost or made on the way to the reader, none is double."""
    citations = CitationFilter(count)
    checked = citations.feed(message) + citations.flush()
    assert renumber(checked, {n: n for n in citations.cited}) == checked == message
    assert sorted(marker.number for marker in find_markers(message)) == sorted(citations.cited)


def shown(question: str, *chunks: Chunk | str, **request: Any) -> str:
    return answer(question, passages(*chunks), **request)[0]


def lead(n: int) -> str:
    return f"**[Guide › Part {n}](https://b.dev/guide#part-{n})**"


# ---------------------------------------------------------------- the whole


def test_an_answer_from_the_best_section_to_the_last_that_is_named() -> None:
    best = f"{CATS}\n\n```sh\nmake cats  # [1]\n```\n\nSee [1] for more."
    message, highlights = answer(
        "Where do cats sleep?", passages(best, DOGS, "- Cats purr.", "Fish swim.", "Birds fly.")
    )
    assert message == "\n\n".join(
        [
            lead(0),
            f"{CATS} [1]",
            "```sh\nmake cats  # [1]\n```",
            "See \\[1] for more.",
            lead(1),
            f"{DOGS} [2]",
            lead(2),
            "- Cats purr. [3]",
            fixed("elsewhere", "en"),
            "- [Guide › Part 3](https://b.dev/guide#part-3) [4]\n"
            "- [Guide › Part 4](https://b.dev/guide#part-4) [5]",
        ]
    )
    assert highlights == {
        1: "Cats sleep most of the day.",
        2: "They like cats, some say.",
        3: "Cats purr.",
    }


def test_no_more_sections_than_a_reader_can_bear() -> None:
    message = shown("cats", *([CATS] * 9))
    assert [marker.number for marker in find_markers(message)] == [
        *range(1, MAX_QUOTED + MAX_NAMED + 1)
    ]
    assert message.count(CATS) == MAX_QUOTED


def test_each_section_comes_once() -> None:
    same = {"section": "Part 0", "slug": "guide#part-0"}
    found = passages(CATS, chunk(DOGS, 1, **same), "Fish swim.", chunk("Birds.", 3, **same))
    message, highlights = answer("cats and dogs", found)
    assert set(highlights) == {1, 3}
    assert "Dogs" not in message
    assert choose_sections(AnswerRequest("cats", found)) == [1, 3]


def test_sections_of_one_address_are_told_apart_by_page_and_heading() -> None:
    other = chunk(DOGS, 1, slug="guide#part-0")
    assert choose_sections(AnswerRequest("cats", passages(CATS, other))) == [1, 2]


# ---------------------------------------------------------------- how much of each


def words(n: int, word: str = "word") -> str:
    return f"{word.capitalize()} " + f"{word} " * (n // (len(word) + 1) - 2) + "end."


def test_the_best_section_is_cut_between_blocks_and_leads_on() -> None:
    own = f"Cats here.\n\n{words(700)}"
    after = Chunk("id-b", f"{words(700, 'more')}\n\n{words(400, 'last')}", "Guide", "Part 0",
                  "guide#part-0", "guide.md", 1)  # fmt: skip
    message = shown("cats", own, neighbours=[chunk(own), after])
    assert message == "\n\n".join(
        [lead(0), "Cats here. [1]", words(700), words(700, "more"),
         "[Read on](https://b.dev/guide#part-0)"]
    )  # fmt: skip
    assert len(message) < BEST_SECTION + 200


def test_a_whole_chunk_fits_so_that_its_sentence_is_always_shown() -> None:
    assert BEST_SECTION >= LIMIT


def divided(*texts: str) -> list[Chunk]:
    """A section in several chunks."""
    return [
        Chunk(f"id-{n}", text, "Guide", "Part 0", "guide#part-0", "guide.md", n)
        for n, text in enumerate(texts)
    ]


def test_a_divided_section_is_joined() -> None:
    chunks = divided("First.", "Cats sleep.", "Third.")
    other = chunk("Another section.", 7, slug="guide#x")
    message, highlights = answer("cats", passages(chunks[1]), neighbours=[other, *chunks, other])
    assert message == f"{lead(0)}\n\nFirst.\n\nCats sleep. [1]\n\nThird."
    assert highlights == {1: "Cats sleep."}


def test_chunks_that_do_not_follow_each_other_are_not_joined() -> None:
    before, _, best, after = divided("Before.", "x", "Cats sleep.", "After.")
    message = shown("cats", best, neighbours=[before, best, after])
    assert "Before." not in message
    assert message.endswith("After.")


def test_what_answers_comes_first_where_not_all_of_a_section_fits() -> None:
    chunks = divided(words(900, "before"), "Cats sleep.", words(900, "after"))
    message = shown("cats", chunks[1], neighbours=chunks)
    assert message.startswith(f"{lead(0)}\n\nCats sleep. [1]\n\nAfter ")
    assert "before" not in message


def test_the_highlight_stands_in_the_passages_own_chunk() -> None:
    """Its source is cited with the text of that chunk."""
    chunks = divided("Where do cats sleep? Cats sleep here.", "They like it warm.", "Cats sleep.")
    message, highlights = answer("Where do cats sleep?", passages(chunks[1]), neighbours=chunks)
    assert highlights == {1: "They like it warm."}
    assert "They like it warm. [1]" in message


def test_further_sections_are_shortened_to_what_is_around_the_sentence() -> None:
    long = f"{words(400)}\n\n{words(300)}\n\nCats sleep:\n\n- in the sun\n\n{words(600, 'tail')}"
    message = shown("cats", "Cats.", long, long.replace("Cats", "The cats"))
    assert lead(1) + "\n\n" + words(300) + "\n\nCats sleep: [2]\n\n- in the sun" in message
    for section in message.split("**[")[2:]:
        assert len(section) < OTHER_SECTION + 150
        assert "[Read on](" in section


def test_only_a_section_that_is_cut_leads_on() -> None:
    assert "Read on" not in shown("cats", CATS, DOGS)


# ---------------------------------------------------------------- several sections in a chunk


SEVERAL = chunk(
    "Yes.\n\n## Cats\n\nYes.\n\nCats sleep. Yes.\n\n### Dogs\n\nDogs bark.\n\n```sh\n# x\n```",
    anchors=("cats", "dogs"),
    section="Animals",
    slug="guide#animals",
)


def test_a_small_section_within_a_chunk_is_shown_under_its_own_heading() -> None:
    message = shown("cats sleep", "Cats.", SEVERAL)
    assert message.endswith(
        "**[Guide › Cats](https://b.dev/guide#cats)**\n\nYes.\n\nCats sleep. Yes. [2]"
    )
    assert shown("dogs bark", "Dogs.", SEVERAL).endswith(
        "**[Guide › Animals › Dogs](https://b.dev/guide#dogs)**\n\n"
        "Dogs bark. [2]\n\n```sh\n# x\n```"
    )


def test_the_best_section_is_shown_whole_and_alone() -> None:
    assert shown("cats sleep", SEVERAL) == (
        "**[Guide › Cats](https://b.dev/guide#cats)**\n\nYes.\n\nCats sleep. Yes. [1]"
    )
    whole = shown("yes", SEVERAL)
    assert whole == "**[Guide › Animals](https://b.dev/guide#animals)**\n\nYes. [1]"


def test_a_section_that_is_named_is_the_nearest_of_its_chunk() -> None:
    message = shown("dogs bark", *(["Dogs."] * MAX_QUOTED), SEVERAL)
    assert message.endswith("\n\n- [Guide › Animals › Dogs](https://b.dev/guide#dogs) [4]")


def test_headings_without_an_anchor_lead_to_the_page() -> None:
    bare = chunk("One.\n\n## Cats\n\nCats sleep.", anchors=("",), section="", slug="guide")
    assert shown("cats", bare) == "**[Guide › Cats](https://b.dev/guide)**\n\nCats sleep. [1]"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("## A\n\n```sh\nx\n```", "```sh\nx\n```"),
        ("## A\n\n## B\n\n| a | b |\n| --- | --- |\n| 1 | 2 |", "| a |"),
        ("<div>\n## A\n</div>", "<div>"),
        ("## A", "## A"),
    ],
)
def test_a_chunk_may_begin_with_a_heading_and_have_no_prose(text: str, rest: str) -> None:
    headed = chunk(text, anchors=("a", "b"), section="", slug="guide")
    for message in (shown("x", headed), shown("x", "X.", headed)):
        assert rest in message


# ---------------------------------------------------------------- where the marker stands


@pytest.mark.parametrize(
    "text",
    ["```sh\ncats\n```", "| cats | b |\n| --- | --- |\n| 1 | 2 |", "    cats", "<p>\ncats\n</p>"],
)
def test_a_section_without_prose_is_cited_behind_its_lead(text: str) -> None:
    message, highlights = answer("cats", passages(text))
    assert message == f"{lead(0)} [1]\n\n{text}"
    assert highlights == {}


def test_the_marker_stands_at_the_end_of_the_sentences_paragraph() -> None:
    text = (
        "Intro.\n\n1. Dogs bark.\n   Cats sleep\n   here. Yes.\n\n   ```sh\n   x\n   ```\n2. End."
    )
    message, highlights = answer("cats", passages(text))
    assert message == f"{lead(0)}\n\n{text.replace('Yes.', 'Yes. [1]')}"
    assert highlights == {1: "Cats sleep here."}


def test_of_equal_sentences_the_first_is_highlighted() -> None:
    assert answer("zebra", passages("One. Two.\n\nThree."))[1] == {1: "One."}


def test_meaning_decides_which_sentence_is_nearest() -> None:
    text = "The menu has many entries. A kitten rests for hours. Rain falls in spring."
    other = "Paper is made of wood.\n\nOne may nap on the sofa."
    found = passages(text, other, "```sh\nx\n```")
    question = "Where do cats sleep?"
    assert answer(question, found)[1][1] == "The menu has many entries."
    assert answer(question, found, LocalEmbedder())[1] == {
        1: "A kitten rests for hours.",
        2: "One may nap on the sofa.",
    }


def test_every_section_has_a_sentence_however_many_there_are() -> None:
    many = " ".join(f"Cats number {n} sleep." for n in range(60))
    assert set(answer("cats sleep", passages(many, many, "Fish."), LocalEmbedder())[1]) == {1, 2, 3}


# ---------------------------------------------------------------- what is said around it


def test_nearest_sections_are_announced_as_such() -> None:
    message = shown("cats", CATS, grade="nearest")
    assert message == f"{fixed('nearest', 'en')}\n\n{lead(0)}\n\n{CATS} [1]"


def test_where_nothing_is_near_the_reader_is_told() -> None:
    assert answer("cats", [], grade="nothing") == (fixed("nothing", "en"), {})


def test_the_reader_is_spoken_to_in_their_language_and_links_are_in_the_books() -> None:
    asked = "Wo schlafen die Katzen in der Nacht?"
    assert answer(asked, [], grade="nothing")[0] == fixed("nothing", "de")
    long = f"Cats.\n\n{words(900)}\n\n{words(900)}"
    message = shown(asked, long, *([DOGS] * 4), grade="nearest")
    assert message.startswith(fixed("nearest", "de"))
    assert "[Read on](" in message
    assert fixed("elsewhere", "en") in message
    german = shown("cats", long, *([DOGS] * 4), grade="nearest", language="de")
    assert german.startswith(fixed("nearest", "de"))
    assert f"[{fixed('read_on', 'de')}](" in german


# ---------------------------------------------------------------- names and addresses


@pytest.mark.parametrize(
    "title",
    ["404", "1984", "[1]", "[2] a", "Map[1]", "`x`", "*a*", "2. b", "a [1](x)", "1, 2", "``` a"],
)
def test_no_title_is_taken_for_a_citation(title: str) -> None:
    for section in ("", "7", "[3]", title):
        named = [chunk(CATS, n, title=title, section=section, slug=f"p#{n}") for n in range(5)]
        for site_url in (SITE, ""):
            message = shown("cats", *named, site_url=site_url)
            assert [marker.number for marker in find_markers(message)] == [1, 2, 3, 4, 5]


def test_a_book_without_an_address_has_no_links() -> None:
    long = "\n\n".join([CATS, *(f"Dogs bark at the gate, number {n}." * 9 for n in range(9))])
    message = shown("cats", long, DOGS, CATS, CATS, CATS, CATS, site_url="")
    assert message.startswith("**Guide › Part 0**\n\n")
    assert "](" not in message
    assert fixed("read_on", "en") not in message
    assert fixed("read_on", "en") in shown("cats", long, DOGS)


def test_an_index_of_an_older_layout_is_quoted_too() -> None:
    """It has no addresses, so that neither sections nor their parts can be told apart."""
    old = [chunk(text, n, slug="", section="") for n, text in enumerate([CATS, DOGS])]
    message = shown("cats", *old, neighbours=old)
    assert message == "\n\n".join(
        [f"**[Guide]({SITE}/)**", f"{CATS} [1]", f"**[Guide]({SITE}/)**", f"{DOGS} [2]"]
    )
    nameless = chunk(CATS, slug="", section="", title="")
    assert shown("cats", nameless) == f"**[“…”]({SITE}/)**\n\n{CATS} [1]"


# ---------------------------------------------------------------- follow-ups


def before(question: str, *ids: int) -> list[Turn]:
    cited = tuple(Source(f"id-{n}", "", "", "", "", "", 0.9) for n in ids)
    return [Turn("Before that?", ""), Turn(question, "", cited)]


def first_shown(question: str, history: Sequence[Turn], count: int = 6) -> list[int]:
    return choose_sections(
        AnswerRequest(question, passages(*(f"Cats {n}." for n in range(count))), history)
    )


def test_a_follow_up_is_not_answered_with_the_same_sections_again() -> None:
    assert first_shown("Why?", before("Cats?", 0, 1, 2)) == [4, 5, 6, 1, 2]
    assert first_shown("Why?", before("Cats?", 2, 1, 0, 3, 4)) == [6, 1, 2, 3, 4]


def test_a_follow_up_with_a_new_section_keeps_the_order() -> None:
    assert first_shown("Why?", before("Cats?", 0, 1)) == [1, 2, 3, 4, 5]
    assert first_shown("Why?", before("Cats?")) == [1, 2, 3, 4, 5]


def test_the_same_question_gets_the_same_sections() -> None:
    assert first_shown("Cats?", before("Cats?", 0, 1, 2)) == [1, 2, 3, 4, 5]


def test_where_all_was_shown_already_it_is_shown_again() -> None:
    assert first_shown("Why?", before("Cats?", 0, 1), count=2) == [1, 2]
    assert first_shown("Why?", [], count=2) == [1, 2]


# ---------------------------------------------------------------- whatever the book holds


TEXTS = st.lists(
    st.sampled_from(
        [
            "Cats sleep [1]. They purr.",
            "Run this:",
            "## Heading\n\n## Another",
            "- a [2]\n- b\n\n  ```sh\n  a[1]\n  ```\n- c",
            "| a [1] | b |\n| --- | --- |\n| c | d |",
            "```py\na[1]  # cats\n```",
            "> Quoted cats.",
            "<div>\ncats [1]\n</div>",
            "[1]: cats",
            "```sh\nnever closed [1]",
            "word " * 60,
            "【1】 cats `[1]",
            "¿?",
        ]
    ),
    min_size=1,
    max_size=5,
).map("\n\n".join)
CHUNKS = st.lists(
    st.tuples(TEXTS, st.integers(0, 3), st.lists(st.sampled_from(["", "x", "y"]), max_size=4)),
    min_size=1,
    max_size=7,
)


@settings(max_examples=150, deadline=None)
@given(CHUNKS, st.sampled_from(["answer", "nearest"]), st.data())
def test_any_sections_make_a_sound_answer(
    made: list[tuple[str, int, list[str]]], grade: str, data: st.DataObject
) -> None:
    chunks = [
        Chunk(f"id-{n}", text, "1984", f"{part}", f"p#{part}", "p.md", n, anchors=tuple(anchors))
        for n, (text, part, anchors) in enumerate(made)
    ]
    found = [Passage(c, 0.9 - n / 10) for n, c in enumerate(data.draw(st.permutations(chunks)))]
    message, highlights = answer("Where do cats sleep?", found, neighbours=chunks, grade=grade)
    chosen = choose_sections(AnswerRequest("", found))
    assert [marker.number for marker in find_markers(message)] == chosen
    assert set(highlights) <= set(chosen[:MAX_QUOTED])
    for n, sentence in highlights.items():
        bare = "".join(filter(str.isalnum, found[n - 1].chunk.text))
        assert "".join(filter(str.isalnum, sentence)) in bare


@pytest.mark.parametrize("unit", ["`", "[1]", "a. ", "- a\n", "# a\n", "> ", "[", "*a ", "|"])
def test_no_text_takes_long(unit: str) -> None:
    text = ("x" + unit * 1500)[:1500]
    found = passages(*(chunk(text, n, anchors=("a",) * 99) for n in range(5)))
    begin = time.thread_time()
    answer((unit * 2000)[:2000], found, neighbours=[p.chunk for p in found])
    assert time.thread_time() - begin < 2
