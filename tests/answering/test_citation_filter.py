"""Citation markers: what a reader sees of what a model wrote."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.answering.citation_filter import CitationFilter, renumber
from rag.answering.citation_habits import ModelCitations


def clean(text: str, count: int = 3) -> str:
    citations = CitationFilter(count)
    return citations.feed(text) + citations.flush()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Plain text.", "Plain text."),
        ("A fact [1].", "A fact [1]."),
        ("A fact[2].", "A fact[2]."),
        # groups and ranges
        ("A [1, 2].", "A [1][2]."),
        ("A [1,2;3].", "A [1][2][3]."),
        ("A [1][2].", "A [1][2]."),
        ("A [1], [2].", "A [1], [2]."),
        ("A [1-3].", "A [1][2][3]."),
        ("A [1–2, 3].", "A [1][2][3]."),
        ("A [3-1].", "A [1][2][3]."),
        ("A [1, 1].", "A [1]."),
        ("A [2-999999999].", "A [2][3]."),
        # other spellings
        ("A 【1】.", "A [1]."),
        ("A ［1］.", "A [1]."),
        ("A [１].", "A [1]."),
        ("A [٢].", "A [2]."),
        ("A [^1].", "A [1]."),
        ("A [^1, ^2].", "A [1][2]."),
        ("A [1†source].", "A [1]."),
        ("A 【2†L1-L5】.", "A [2]."),
        ("A 【1】【2】.", "A [1][2]."),
        ("A [ 1 ].", "A [1]."),
        ("A [[1]].", "A [1]."),
        ("引用【1、2】。", "引用[1][2]。"),
        ("A [Passage 2].", "A [2]."),
        ("A [passages 1, 2].", "A [1][2]."),
        ("A [Source: 3].", "A [3]."),
        ("A [Sources 1 and 2].", "A [1][2]."),
        ("A [Source 1, Source 3].", "A [1][3]."),
        ("A [Doc #2].", "A [2]."),
        ("A 【Ref 1】.", "A [1]."),
        ("A [Passage 9] and more.", "A and more."),
        ("A [cite: 1, 2] and [cite:3].", "A [1][2] and [3]."),
        ("A [source_1], [ref. 2], [doc-3].", "A [1], [2], [3]."),
        ("A [Chunk 1] [Context 2].", "A [1] [2]."),
        ("A [Quelle 2], [fuente 3], [Źródło 1].", "A [2], [3], [1]."),
        ("甲[来源1]，[出典：2]，[출처 3]。", "甲[1]，[2]，[3]。"),
        ("А [источник 3], [المصدر 2].", "А [3], [2]."),
        # nothing there
        ("A fact [9].", "A fact."),
        ("A fact [9] and more.", "A fact and more."),
        ("A fact[9] and more.", "A fact and more."),
        ("A fact [9]", "A fact"),
        ("A [1, 9].", "A [1]."),
        ("A[9] [1].", "A [1]."),
        ("A [9][note].", "A [note]."),
        ("A [1] [9]more.", "A [1] more."),
        ("A [9][1].", "A [1]."),
        ("A [9] [8].", "A."),
        ("A [9][8].", "A."),
        ("A [1] [9] [2].", "A [1] [2]."),
        ("A [1], [9].", "A [1]."),
        ("A [9], [1].", "A [1]."),
        ("A [9], so B.", "A, so B."),
        ("引用【1】、【9】。", "引用[1]。"),
        ("A [0].", "A."),
        ("A [[9]].", "A."),
        ("[9] Fact.", "Fact."),
        ("- [9] Fact.", "- Fact."),
        ("> [9] Fact.", "> Fact."),
        ("A\n[9] Fact.", "A\nFact."),
        ("A [9]more.", "A more."),
        ("A ([9]).", "A."),
        ("A ([1]).", "A ([1])."),
        ("A ([9], [1]).", "A ([1])."),
        ("A ([1], [9]).", "A ([1])."),
        ("A ([9] as said).", "A (as said)."),
        ("A [7-9].", "A."),
        # links
        ("A [1](https://example.com/a).", "A [1]."),
        ("A [9](/docs/a#b).", "A."),
        ("A [[1]](#intro).", "A [1]."),
        ("A [1](see below).", "A [1](see below)."),
        ("A [guide](/docs/a).", "A [guide](/docs/a)."),
        ("[1]: https://example.com", "[1] https://example.com"),
        ("So [1]: this.", "So [1]: this."),
        # no markers
        ("A (1).", "A (1)."),
        ("A [note].", "A [note]."),
        ("A [Step 1] and [Chapter 2].", "A [Step 1] and [Chapter 2]."),
        ("A [Source].", "A [Source]."),
        ("A [resource 1].", "A [resource 1]."),
        ("- [ ] task", "- [ ] task"),
        ("- [x] task", "- [x] task"),
        ("A [0, 1] and [0-9].", "A [0, 1] and [0-9]."),
        ("A [0.5, 1].", "A [0.5, 1]."),
        (r"A \[1] B.", r"A \[1] B."),
        ("Take a[1] and b[7][8].", "Take a[1] and b[7][8]."),
        ("max_size[0] is", "max_size[0] is"),
        ("On Lambda[1].", "On Lambda[1]."),
        ("A [1", "A [1"),
        ("A [", "A ["),
        ("A ", "A "),
        ("A [1,", "A [1,"),
        ("A [1\n]", "A [1\n]"),
        # nothing may become a marker by what vanishes
        ("[[9]1]", "[…1]"),
        ("[1[9]2]", "[1…2]"),
        ("`x`[9]`y`", "`x` `y`"),
    ],
)
def test_markers(written: str, shown: str) -> None:
    assert clean(written) == shown


HABITS = [
    # titles
    ("A [Source 1: The Title].", "A [1]."),
    ("A [Source 1, Title of page; Source 3: Other].", "A [1][3]."),
    ("A [Passage 2 - Title (2nd)].", "A [Passage 2 - Title (2nd)]."),
    ("A [Passage 2 – Der Titel].", "A [2]."),
    ("A [Ref. 1, p. 3] and [2, page 7].", "A [1] and [2]."),
    ("A [1: Deleting] and [2 | Title 3].", "A [1] and [2]."),
    ("A [Source: Passage No. 2].", "A [2]."),
    ("A [Source 9: Title].", "A."),
    ("A 【1:0†source】【2†L1-L5】.", "A [1][2]."),
    ("A [段落 2：标题].", "A [2]."),
    ("A [Source 1](https://x.example/y).", "A [1]."),
    ("A [Source [2]] and ^[1]^ and [[3]].", "A [2] and [1] and [3]."),
    # parentheses with a label
    ("A (Source 2).", "A [2]."),
    ("A (see Passage 2, 3).", "A [2][3]."),
    ("A (Sources 1 and 3)", "A [1][3]"),
    ("A (cite: 1), (Doc 2).", "A [1], [2]."),
    ("A (Source 2: The Title) so.", "A [2] so."),
    ("A (Quelle 1), (источник 2)", "A [1], [2]"),
    ("A (Source 9).", "A."),
    ("A（来源 2），(siehe Quelle 1), (vgl. Passage 3).", "A[2]，[1], [3]."),
    ("A [see Source 2], [^1^], [1, 2, and 3].", "A [2], [1], [1][2][3]."),
    # tags
    ("It goes<sup>1</sup>.", "It goes[1]."),
    ("It goes <sup>[1]</sup><sup>2</sup>.", "It goes [1][2]."),
    ("It goes.<sup>1,3</sup>", "It goes.[1][3]"),
    ("A <cite>1</cite>, <ref>2</ref>, <source>3</source>.", "A [1], [2], [3]."),
    ("Word<sup>9</sup> and", "Word and"),
    # raised digits
    ("It goes.¹² So it does³", "It goes.[1][2] So it does[3]"),
    ("It goes ¹, ² ⁽³⁾", "It goes [1], [2] [3]"),
    ("It goes.⁹", "It goes."),
    ("It goes.¹⁻³", "It goes.[1][2][3]"),
    ("这样做。² 好¹", "这样做。[2] 好[1]"),
    ("It goes^1,2^.", "It goes[1][2]."),
    # no markers
    ("10² m, x² + y² = z², E = mc², 5 km³, 10⁻³, sin² x", None),
    ("10<sup>2</sup>, x<sup>2</sup>, x^2^, (a + b)², the 2<sup>nd</sup>", None),
    ("The (source code) of (reference) and (see below), (Step 1), (1).", None),
    ("[0, 1], [0-9], [1, n], a[1], f(1), <sub>1</sub>, <source src=1>", None),
    ("[1, Deleting] and [Source code: x] and [2: 3].", None),
    ("`(Source 1)` and `x<sup>1</sup>`:\n```\n[Source 1: T] ¹ (Source 2)\n```\n", None),
]


@pytest.mark.parametrize(("written", "shown"), HABITS)
def test_habits_of_models(written: str, shown: str | None) -> None:
    for size in (1, 2, 3, 1000):
        citations = ModelCitations(3)
        pieces = [written[at : at + size] for at in range(0, len(written), size)]
        read = "".join(map(citations.feed, pieces)) + citations.flush()
        assert read == (written if shown is None else shown)


def test_quotations_of_the_book_keep_their_own_markers() -> None:
    text = "It goes.¹ (Source 2) <sup>1</sup> [Source 1: A title]"
    assert clean(text) == text


@pytest.mark.parametrize(
    "code",
    [
        "`a[7]`",
        "Use `rows[1, 2]` here.",
        "``a ` [7]``",
        "```python\nrows[7] = [9]\n```\n",
        "- item\n  ```\n  x[7] [9]\n  ```\n",
        "~~~\n[9]\n```\n[8]\n~~~\n",
        "````\n```\n[9]\n```\n````\n",
        "```\nnever closed [9]",
        "```one line [9]```",
    ],
)
def test_code_is_left_alone(code: str) -> None:
    assert clean(code) == code


def test_after_code_markers_count_again() -> None:
    assert clean("```\n[9]\n```\nSo [9] it is [1].") == "```\n[9]\n```\nSo it is [1]."
    assert clean("`a[9]` is [9] odd [2].") == "`a[9]` is odd [2]."
    assert clean("A ~~struck [9]~~ word [9].") == "A ~~struck~~ word."


def test_a_lonely_backtick_does_not_switch_citations_off() -> None:
    assert clean("The ` sign [9] is here [1].\nNext [2].") == "The ` sign is here [1].\nNext [2]."
    citations = CitationFilter(3)
    citations.feed("The ` sign [3] and [1].")
    citations.flush()
    assert citations.cited == (3, 1)


def test_cited_is_in_order_of_appearance() -> None:
    citations = CitationFilter(5)
    citations.feed("A [4], B [2, 4][9]. C `[1]` 【5】")
    citations.flush()
    assert citations.cited == (4, 2, 5)


def test_text_is_released_as_soon_as_it_cannot_be_a_marker() -> None:
    citations = CitationFilter(3)
    assert citations.feed("Hello") == "Hello"
    assert citations.feed(" ") == ""
    assert citations.feed("wor") == " wor"
    assert citations.feed(" [") == ""
    assert citations.feed("1") == ""
    assert citations.feed("a") == " [1a"
    assert citations.feed("] [2") == "]"
    assert citations.feed("]") == ""
    assert citations.feed(" ") == ""
    assert citations.feed("so") == " [2] so"
    assert citations.feed(" [sour") == ""
    assert citations.feed("ness") == " [sourness"
    assert citations.feed(" [1](") == ""
    assert citations.feed("see") == " [1](see"
    assert citations.feed("`x") == ""
    assert citations.feed("[7]`") == ""
    assert citations.feed(" ") == "`x[7]`"
    assert citations.flush() == " "


def test_what_is_held_back_is_bounded() -> None:
    for endless in ("[" + "1," * 500, "[1†" + "x" * 500, " " * 500, "[" * 500, "(" * 500):
        assert len(CitationFilter(3).feed(endless)) > 400


def test_renumber_is_dense_and_drops_the_unknown() -> None:
    message = clean("B [5]. A [2, 4] and [5], `[5]`.", 6)
    assert renumber(message, {2: 1, 5: 2}) == "B [2]. A [1] and [2], `[5]`."


pieces = st.one_of(
    st.sampled_from(
        [
            *"[](){}【】［］`~\\†^…:;,-–> \n\t*_0123456789ax.!é説",
            "[1]",
            "[9]",
            "[[",
            "]]",
            "```",
            "\n```\n",
            ", [",
            "(http://x)",
            "a[1]",
            "- ",
            "[0]",
            "] [",
            "[3",
            "†s",
            "[Source ",
            "passage 1",
            "来源1",
            "[cite_",
            " and ",
            "](/",
            "(Source ",
            ": Title",
            "<sup>",
            "</sup>",
            "¹",
            "²)",
        ]
    ),
    st.text(max_size=3),
)
answers = st.lists(pieces, max_size=40).map("".join)


@pytest.mark.parametrize("reader", [CitationFilter, ModelCitations])
@settings(max_examples=200, deadline=None)
@given(tokens=st.lists(answers, max_size=12))
@example(tokens=["`", "[", "9", "]", "\n"])
@example(tokens=["[9]", ":", " "])
@example(tokens=["[Source passage 1†a (b", ")]"])
@example(tokens=["(Source 1†a(", "b" * 38, ")"])
def test_any_split_gives_the_same(reader: type[CitationFilter], tokens: list[str]) -> None:
    whole, split = reader(3), reader(3)
    expected = whole.feed("".join(tokens)) + whole.flush()
    assert "".join(map(split.feed, tokens)) + split.flush() == expected
    assert split.cited == whole.cited


@pytest.mark.parametrize("reader", [CitationFilter, ModelCitations])
@settings(max_examples=400, deadline=None)
@given(written=answers)
@example(written="[[9]1]")
@example(written="[1[9]2]")
@example(written="[9]: [1]")
@example(written="[<sup>9</sup>1]")
@example(written="[Source (Source 9)1]")
def test_every_marker_left_is_known(reader: type[CitationFilter], written: str) -> None:
    citations = reader(3)
    message = citations.feed(written) + citations.flush()
    again = CitationFilter(99)
    again.feed(message)
    again.flush()
    assert again.cited == citations.cited

    order = {n: i for i, n in enumerate(sorted(citations.cited), 1)}
    final = renumber(message, order)
    last = CitationFilter(99)
    last.feed(final)
    last.flush()
    assert last.cited == tuple(order[n] for n in citations.cited)


@settings(max_examples=200, deadline=None)
@given(answers)
def test_text_outside_markers_is_kept(written: str) -> None:
    def words(text: str) -> str:
        return re.sub(r"[\s\[\]【】［］()0-9†^,;:/…–-]+", "", text)

    if "†" not in written and "http" not in written and "](" not in written:
        assert words(clean(written)) == words(written)


def test_time_grows_with_the_length_only() -> None:
    """Each hostile text is read in a bounded number of steps, counted, not timed."""
    hostile_texts = (
        "[",
        "[1",
        "`[",
        "(",
        " (",
        "[1](",
        "``[`",
        "[1†",
        "[9]",
        "`[\n",
        "[Source 1: ",
    )
    for hostile in (*hostile_texts, "(Source ", "¹", "<sup>1", "(see ", "[1 | a, "):
        steps = []
        for size in (1000, 2000):
            citations = ModelCitations(3)
            counted = 0
            emit = citations._emit

            def count(text: str, emit=emit) -> None:  # type: ignore[no-untyped-def]
                nonlocal counted
                counted += 1
                emit(text)

            citations._emit = count  # type: ignore[method-assign]
            citations.feed(hostile * size)
            citations.flush()
            steps.append(counted)
        assert steps[1] <= 2.5 * steps[0] + 100, hostile
