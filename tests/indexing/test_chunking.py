"""Chunks: whole where it fits, nothing lost, nothing twice, whatever the Markdown."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.indexing.chunking import LABEL, LIMIT, chunk_book
from rag.models import (
    Block,
    Chunk,
    Page,
    Section,
)
from sites.markdown import read_markdown
from sites.plain import DIALECT

PARSER = DIALECT.parser()


def page_of(text: str, title: str = "Title") -> Page:
    document = read_markdown(text, DIALECT, PARSER, title)
    return Page("page.md", document.title, "page", document.sections)


def words(text: str) -> list[str]:
    return re.findall(r"\w", text)


def content(page: Page) -> list[str]:
    """The letters that must be found in the chunks; links may go, fences may be repeated."""
    kept = []
    for section in page.sections:
        prose = [block.text for block in section.blocks if block.kind != "links"]
        if len(prose) == len(section.blocks) or max(map(len, prose), default=0) > LABEL:
            kept += prose
    return words("\n".join(kept))


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(item in rest for item in part)


def assert_sound(page: Page, chunks: list[Chunk]) -> None:
    text = words("\n".join(chunk.text for chunk in chunks))
    assert is_subsequence(content(page), text)
    for chunk in chunks:
        assert chunk.text.strip()
        assert len(chunk.text) <= LIMIT
    assert [chunk.order_index for chunk in chunks] == list(range(len(chunks)))
    assert len({chunk.chunk_id for chunk in chunks}) == len(chunks)


MARKUP = """# One
## Two
### Two
- item
  - inner
1. first
```
~~~py
---
| a | b |
| --- | --- |
> quote
:::tip x
:::
<div>
</div>
<!--

    indented
[a](b)
![alt](x)
[^1]: note
text[^1]
===
""".splitlines()
LINES = st.one_of(
    st.text(max_size=200),
    st.sampled_from(MARKUP),
    st.integers(1, 3000).map(lambda n: "word " * (n // 5)),
    st.integers(1, 3000).map(lambda n: "x" * n),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, max_size=40).map("\n".join))
def test_any_markdown(text: str) -> None:
    page = page_of(text)
    assert_sound(page, chunk_book([page]))


BLOCKS = st.builds(
    Block,
    st.sampled_from(["paragraph", "list", "table", "code", "links"]),
    st.text("ab \n-|`.漢", min_size=1, max_size=30).flatmap(
        lambda t: st.integers(1, 300).map(lambda n: t * n)
    ),
)
SECTIONS = st.builds(
    lambda words, level, blocks: Section(words, level, words, (words,), tuple(blocks)),
    st.text("xyz", min_size=1, max_size=2),
    st.integers(1, 6),
    st.lists(BLOCKS, max_size=4),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SECTIONS, max_size=12))
def test_any_sections(sections: list[Section]) -> None:
    page = Page("page.md", "Title", "page", tuple(sections))
    assert_sound(page, chunk_book([page]))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(["paragraph", "list"]), st.integers(1, 500)), max_size=4
        ),
        min_size=1,
        max_size=8,
    )
)
def test_every_word_once_and_in_order(sizes: list[list[tuple[str, int]]]) -> None:
    """No overlap: numbered words come out of the chunks as they went into the page."""
    count = 0
    sections = []
    for n, blocks in enumerate(sizes):
        made = []
        for kind, size in blocks:
            numbered = [f"w{count + i}" for i in range(size)]
            count += size
            lines = [" ".join(numbered[i : i + 9]) for i in range(0, size, 9)]
            prose = kind == "paragraph"
            text = " ".join(lines) if prose else "\n".join(f"- {line}" for line in lines)
            made.append(Block("paragraph" if prose else "list", text))
        sections.append(Section(f"H{n}", 2, f"h{n}", (f"H{n}",), tuple(made)))
    chunks = chunk_book([Page("page.md", "Title", "page", tuple(sections))])
    found = re.findall(r"\bw(\d+)\b", "\n".join(chunk.text for chunk in chunks))
    assert found == [str(i) for i in range(count)]
    again = chunk_book([Page("page.md", "Title", "page", tuple(sections))])
    assert again == chunks


def test_a_list_is_divided_between_its_items() -> None:
    items = [f"- item {n} {'word ' * 30}end{n}\n  - inner {n}" for n in range(40)]
    chunks = chunk_book([page_of("# T\n\n" + "\n".join(items))])
    assert len(chunks) > 3
    for chunk in chunks:
        assert set(re.findall(r"item (\d+)", chunk.text)) == set(
            re.findall(r"inner (\d+)", chunk.text)
        )


def test_what_follows_of_a_divided_list_item_loses_its_indentation_and_nothing_else() -> None:
    """With it, a page would show the text as code."""
    lines = [
        "10. Open it:",
        "    ```sh",
        "    open",
        "      --now",
        "    ```",
        f"    Then {'wait ' * 150}or:",
        "    - close it,",
        "      - or not.",
        "",
        f"    More {'of it ' * 200}",
        "",
        f"    Last {'word ' * 200}",
        "11. Go.",
    ]
    section = Section("T", 1, "t", (), (Block("list", "\n".join(lines)),))
    chunks = chunk_book([Page("page.md", "T", "page", (section,))])
    text = "\n".join(chunk.text for chunk in chunks)
    assert len(chunks) > 2
    assert text.split() == "\n".join(lines).split()
    assert "10. Open it:\n```sh\nopen\n  --now\n```\n" in text
    assert "- close it,\n  - or not.\n" in text
    for line in ("Then wait", "More of it", "Last word", "11. Go."):
        assert re.search(f"^{line}", text, re.M)


def test_a_list_item_that_fits_keeps_its_indentation() -> None:
    item = "- One.\n\n  Two.\n  ```\n  code\n  ```"
    text = "\n".join([item, *(f"- {'word ' * 100}{n}" for n in range(5))])
    chunks = chunk_book(
        [Page("p.md", "T", "p", (Section("T", 1, "", (), (Block("list", text),)),))]
    )
    assert chunks[0].text.startswith(item)


def test_order_is_kept_and_nothing_is_there_twice() -> None:
    numbers = " ".join(f"n{number}e" for number in range(3000))
    text = "# T\n\n" + "\n\n".join(
        f"## S{i}_\n\n{numbers[i * 700 : (i + 1) * 700]}" for i in range(30)
    )
    chunks = chunk_book([page_of(text, "")])
    found = "".join("".join(chunk.text.split()) for chunk in chunks)
    found = re.sub(r"##S\d+_", "", found)
    assert found == "".join(numbers[: 30 * 700].split())


def test_chunk_begins_with_its_section() -> None:
    page = page_of(f"# T\n\nTop {'x ' * 400}\n\n## A\n\n### B\n\n{'word ' * 200}\n\n### C\n\nfew")
    chunks = chunk_book([page])
    assert [(chunk.slug, chunk.section) for chunk in chunks] == [
        ("page#t", ""),
        ("page#b", "A › B"),
    ]
    assert chunks[1].text.endswith("### C\n\nfew")


def test_same_text_has_the_same_id_on_a_renamed_page() -> None:
    before, after = page_of("## A\n\ntext"), page_of("## A\n\ntext")
    moved = Page("other.md", after.title, "other", after.sections)
    assert chunk_book([before])[0].chunk_id == chunk_book([moved])[0].chunk_id
    twice = chunk_book([before, moved])
    assert twice[0].chunk_id != twice[1].chunk_id


def test_long_code_and_tables_repeat_their_frame() -> None:
    code = "\n".join(f"line {number}" for number in range(600))
    rows = "\n".join(f"| {number} | b |" for number in range(600))
    chunks = chunk_book([page_of(f"```py\n{code}\n```\n\n| x | y |\n| --- | --- |\n{rows}")])
    assert len(chunks) > 4
    for chunk in chunks:
        assert chunk.text.count("```") % 2 == 0
        if "| b |" in chunk.text:
            assert "| x | y |\n| --- | --- |" in chunk.text


def test_a_line_that_introduces_a_block_goes_with_it() -> None:
    code = "\n".join(f"run step {number}" for number in range(90))
    chunks = chunk_book([page_of(f"{'word ' * 130}\n\nLike this:\n\n```sh\n{code}\n```")])
    assert [chunk.text[:10] for chunk in chunks] == ["word word ", "Like this:"]


def test_links_alone_are_no_chunk() -> None:
    links = "\n".join(f"- [Page {number}](p{number})" for number in range(60))
    assert chunk_book([page_of(f"# Contents\n\n{links}")]) == []
    text = "word " * 180
    [chunk] = chunk_book([page_of(f"# T\n\n{text}\n\n## Next\n\n- [Two](two)")])
    assert chunk.text.endswith("## Next\n\n- Two")


def test_a_question_and_its_answer_stand_alone() -> None:
    page = page_of(
        "Welcome.\n\n## What is it?\n\nA thing.\n\n### In detail\n\nA good thing.\n\n"
        "## Why?\n\nBecause.\n\n## More\n\nMore of it.\n\n## Most\n\nThe most.\n"
    )
    chunks = chunk_book([page])
    assert_sound(page, chunks)
    assert [(chunk.section, chunk.text) for chunk in chunks] == [
        ("", "Welcome."),
        ("What is it?", "A thing.\n\n### In detail\n\nA good thing."),
        ("Why?", "Because."),
        ("More", "More of it.\n\n## Most\n\nThe most."),
    ]
