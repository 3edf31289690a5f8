"""Citations, quotations and related sections, live and after a reload."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import Reader, Site
from tests.browser.fake import NEAREST, QUOTED, Fake, Reply, cited, claim, near, quoted, source

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

Json = dict[str, Any]


class Author:
    """Generates random messages and records the markers that should become chips."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.count = self.random.randint(1, 5)
        self.marked: list[int] = []

    def mark(self) -> str:
        """Return zero, one or two markers, or an invalid one."""
        space = self.random.choice(["", " "])
        kind = self.random.random()
        if kind < 0.25:
            return ""
        if kind < 0.3:
            return space + "[99]"
        found = [self.random.randint(1, self.count) for _ in range(1 + (kind > 0.8))]
        self.marked += found
        return space + "".join(f"[{n}]" for n in found)

    def words(self) -> str:
        some = ["Fetch", "the archive", "for **your** platform", "a[1]", "max_size[2]", "`x[1]`"]
        some += ["\\[1]", "&#91;1]", "at https://book.example/", "and R&amp;D", "[1](http://x.y)"]
        return " ".join(self.random.choices(some, k=self.random.randint(1, 4))) + " word"

    def block(self) -> str:
        """Return a random block."""
        kinds: list[Callable[[], str]] = [
            lambda: f"{self.words()}{self.mark()}. {self.words()}{self.mark()}",
            lambda: f"*{self.words()}{self.mark()}* and **bold{self.mark()}**.",
            lambda: f"### {self.words()}{self.mark()}",
            lambda: f"**[Page › Part](http://book.example/part)**{self.mark()}",
            lambda: "\n".join(f"{'  ' * (n == 1)}- {self.words()}{self.mark()}" for n in range(3)),
            lambda: f"1. {self.words()}{self.mark()}\n\n2. {self.words()}{self.mark()}",
            lambda: f"> {self.words()}{self.mark()}\n> {self.words()}{self.mark()}",
            lambda: (
                f"| Name{self.mark()} | Use |\n|---|---|\n| {self.words()}{self.mark()} | `[1]` |\n"
                f"| b | {self.words()}{self.mark()} |"
            ),
            lambda: "```sh\nrun [1] # [2]\n```",
            lambda: "    run [1]",
            lambda: "![see [1]](http://book.example/x.png)",
            lambda: f"<div>{self.mark()}</div>",
            lambda: "---",
        ]
        return self.random.choice(kinds)()

    def message(self) -> str:
        """Return blocks separated by paragraphs, so that none runs into the next."""
        return "\n\nBetween.\n\n".join(self.block() for _ in range(self.random.randint(2, 9)))

    def sources(self) -> list[Json]:
        """Return a source per number with a claim per marker; sometimes some are missing."""
        counts = Counter(self.marked)
        kept = [self.random.choice([None, None, None, 0, 1]) for _ in range(self.count)]
        return [
            cited(n, counts[n] if kept[n - 1] is None else min(kept[n - 1] or 0, counts[n]))
            for n in range(1, self.count + 1)
        ]

    def meant(self, sources: list[Json]) -> Iterator[tuple[str, str, str, str]]:
        """Yield the expected number, address, section and snippet of each chip."""
        seen: Counter[int] = Counter()
        for n in self.marked:
            own = sources[n - 1]
            what = own["claims"][seen[n]] if seen[n] < len(own["claims"]) else own
            seen[n] += 1
            yield str(n), what["url"], what["section"], what["snippet"]


CHIPS = """prose => [...prose.querySelectorAll('.cite')].map(chip => {
  const preview = prose.getRootNode().querySelector('.preview');
  chip.focus();
  const text = name => preview.querySelector(name)?.textContent ?? '';
  return [chip.textContent, chip.href, text('.section'), text('p')];
})"""
CARDS = """below => [...below.querySelectorAll('.sources a')].map(card => [
  card.href, ...['.number', '.title', '.section', '.snippet'].map(
    name => card.querySelector(name)?.textContent ?? '')])"""


def chips(reader: Reader, turn: int = -1) -> list[tuple[str, ...]]:
    """Return the number, address and preview text of each chip in an answer."""
    reader.field.focus()  # keyboard focus shows a passage
    prose = reader.turns.nth(turn).locator(".prose")
    return [tuple(chip) for chip in prose.evaluate(CHIPS)]


def cards(reader: Reader, turn: int = -1) -> list[list[str]]:
    found: list[list[str]] = reader.turns.nth(turn).locator(".below").evaluate(CARDS)
    return found


def wanted(sources: Iterable[Json]) -> list[list[str]]:
    """Return the expected cards: each links to every sentence it is cited for."""
    found = []
    for n, each in enumerate(sources, 1):
        found.append([each["url"], str(n), each["title"], each["section"], each["snippet"]])
        others = {claim["url"]: claim["snippet"] for claim in each["claims"]}
        others.pop(each["url"], None)
        found += [[url, "", "", "", snippet] for url, snippet in others.items()]
    return found


@pytest.mark.parametrize("streamed", ["same", "renumbered", "longer"])
def test_every_chip_leads_to_its_claim(reader: Reader, fake: Fake, streamed: str) -> None:
    """The finished answer decides, whatever was streamed, live and after a reload."""
    meant, sources = [], []
    reader.open()
    for seed in range(12):
        author = Author(f"{streamed} {seed}")
        message = author.message()
        sources.append(author.sources())
        meant.append(list(author.meant(sources[-1])))
        offered = [source(n, url=f"http://book.example/offered-{n}") for n in range(1, 8)]
        author.random.shuffle(offered)
        early = message
        if streamed == "renumbered":
            early = message.replace("[1]", "[7]").replace("[2]", "[1]").replace("[7]", "[2]")
        elif streamed == "longer":
            early = f"Begin [1] [3].\n\n{message} [4]"
        fake.replies = [Reply(message, sources[-1], offered=offered, streamed=early)]
        reader.ask()
        assert chips(reader) == meant[-1], message
        assert cards(reader) == wanted(sources[-1])
    assert sum(map(len, meant)) > 40

    reader.page.reload()
    expect(reader.turns).to_have_count(len(meant))
    assert [chips(reader, turn) for turn in range(len(meant))] == meant
    assert [cards(reader, turn) for turn in range(len(meant))] == list(map(wanted, sources))


def test_only_changed_blocks_are_redrawn(reader: Reader, fake: Fake) -> None:
    streamed = "Same [1].\n\nSame.\n\nGone [3].\n\n```\n[1]\n```\n\nOther [1].\n\nLast [2]."
    message = "Same [1].\n\nSame.\n\n```\n[1]\n```\n\nOther [1].\n\nLast [2]."
    first = cited(1, 2)
    offered = [{**first, "claims": []}, source(2), source(3)]
    fake.replies = [
        Reply(message, [first, cited(2, 1)], offered=offered, streamed=streamed, held=True)
    ]
    reader.open().type("How?")
    prose = reader.answer.locator(".prose")
    expect(prose).to_contain_text("Last2.")
    prose.evaluate("e => [...e.children].forEach((block, n) => (block.before = n))")
    code = reader.answer.locator("pre")
    code.focus()
    fake.released = True
    reader.answer.locator(".actions").wait_for()
    kept = prose.evaluate("e => [...e.children].map(block => block.before ?? null)")
    assert kept == [0, 1, 3, None, None]
    expect(code).to_be_focused()


def test_an_open_preview_follows_its_chip(reader: Reader, fake: Fake) -> None:
    """A focused chip that is redrawn keeps the focus and shows its claim."""
    sources = [cited(1, 2)]
    offered = [{**sources[0], "claims": []}]
    fake.replies = [Reply("One [1]. Two [1].", sources, offered=offered, held=True)]
    reader.open().type("How?")
    second = reader.answer.locator(".cite").nth(1)
    second.focus()
    preview = reader.page.get_by_role("tooltip")
    expect(preview).to_contain_text(claim(1, 0)["snippet"])
    fake.released = True
    reader.answer.locator(".actions").wait_for()
    expect(second).to_be_focused()
    expect(preview).to_contain_text(claim(1, 1)["snippet"])
    expect(second).to_have_attribute("aria-describedby", "preview")


def test_a_preview_hides_when_its_chip_is_gone(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply("None.", [], offered=[source(1)], streamed="One [1].", held=True)]
    reader.open().type("How?")
    reader.answer.locator(".cite").hover()
    preview = reader.page.get_by_role("tooltip")
    expect(preview).to_be_visible()
    fake.released = True
    reader.answer.locator(".actions").wait_for()
    expect(preview).to_be_hidden()


# ------------------------------------------------------------ the closest sentence


MARKS = """answer => [...answer.querySelectorAll('mark')].map(mark => {
  const copy = mark.cloneNode(true);
  copy.querySelectorAll('.cite').forEach(chip => chip.remove());
  let block = mark;
  while (!block.parentElement.matches('.prose')) block = block.parentElement;
  return [copy.textContent.replace(/\\s+/g, ' '),
    [...block.querySelectorAll('.cite')].map(chip => chip.textContent)];
})"""

SENTENCE = "Use the key and wait."


@pytest.mark.parametrize(
    ("message", "marked"),
    [
        ("Before. Use the key and wait. After. [1]", [SENTENCE]),
        ("Use the\nkey  and\nwait. [1]", [SENTENCE]),
        ("Use the  \nkey and wait. [1]", ["Use the", "key and wait."]),
        ("Use `the` [key](/key) and *wait*. [1]", [SENTENCE]),
        ("**Use the key** and [wait.](/wait) [1]", [SENTENCE]),
        (
            "**Before. Use the** key and [wait. After.](/wait) [1]",
            ["Use the", " key and ", "wait."],
        ),
        ("Use the key [1] and wait. [1]", ["Use the key", " and wait."]),
        ("- Before.\n- Use the key and wait. [1]\n- After.", [SENTENCE]),
        ("- Before.\n\n  - Use the key and wait.\n\n- After. [1]", [SENTENCE]),
        ("| a | Use the key and wait. |\n|---|---|\n| c | [1] |", [SENTENCE]),
        ("> Use the key and wait. [1]", [SENTENCE]),
        ("Use the key and wait. [2]\n\nUse the key and wait. [1]", [SENTENCE]),
        ("Use the key\n\nand wait. [1]", []),
        ("- Use the key\n- and wait. [1]", []),
        ("| Use the key | and wait. |\n|---|---|\n| c | [1] |", []),
        ("```\nUse the key and wait.\n```\n\nAs it says [1].", []),
        ("- As it says [1].\n\n  ```\n  Use the key and wait.\n  ```", []),
        ("Insert it and be patient [1].", []),
    ],
)
def test_the_nearest_sentence_is_marked_where_it_is_cited(
    reader: Reader, fake: Fake, message: str, marked: list[str]
) -> None:
    fake.replies = [Reply(message, [cited(1, 2, highlight=SENTENCE), cited(2, 1)])]
    reader.open().ask()
    for _ in "live", "after a reload":
        found = reader.answer.evaluate(MARKS)
        assert [text for text, _ in found] == marked
        assert all("1" in cites for _, cites in found)
        expect(reader.answer.locator("pre mark, .cite mark")).to_have_count(0)
        reader.page.reload()
        reader.answer.locator(".actions").wait_for()


def test_each_section_has_its_own_mark(reader: Reader, fake: Fake) -> None:
    """A sentence in both sections is marked in each, first the one next to the chip."""
    said = "Use the key and wait."
    message = (
        f"**[One](/one)** [1]\n\n- {said}\n\n```\n{said}\n```\n\n[Read on](/one)\n\n"
        f"**[Two](/two)**\n\n{said}\n\n{said} [2]"
    )
    sources = [cited(1, 1, highlight=said), cited(2, 1, highlight=said)]
    fake.replies = [Reply(message, sources)]
    reader.open().ask()
    for _ in "live", "after a reload":
        places = (
            "prose => [...prose.children].flatMap((e, n) => e.querySelector('mark') ? [n] : [])"
        )
        assert reader.answer.locator(".prose").evaluate(places) == [1, 6]
        reader.page.reload()
        reader.answer.locator(".actions").wait_for()


def test_a_mark_splits_no_element(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply("Use `the` [key](/key) [1] and wait. [1]", [cited(1, 2)])]
    fake.replies[0].sources[0]["highlight"] = SENTENCE
    answer = reader.open().ask()
    expect(answer.locator("mark")).to_have_count(2)
    assert answer.locator("mark").first.get_attribute("title")
    expect(answer.locator("mark code")).to_have_text("the")
    expect(answer.get_by_role("link", name="key")).to_have_attribute("rel", "noopener")
    assert [href for _, href, *_ in chips(reader)] == [claim(1, 0)["url"], claim(1, 1)["url"]]
    assert reader.answer.locator(".prose").inner_text() == "Use the key1 and wait.1"


def test_a_mark_is_seen_in_forced_colours(readers: Callable[..., Reader], fake: Fake) -> None:
    fake.replies = [Reply(QUOTED, quoted())]
    reader = readers(forced_colors="active")
    mark = reader.open().ask().locator("mark")
    paint = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e.closest('p')).color]"
    ground = mark.evaluate(paint)[0]
    assert ground != reader.page.locator(".panel").evaluate(paint.replace("e.closest('p')", "e"))[0]


def test_a_quoted_section_has_its_heading_and_a_way_on(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(QUOTED, quoted())]
    answer = reader.open().ask()
    heads = answer.locator(".prose").get_by_role("heading", level=3).get_by_role("link")
    expect(heads).to_have_text(["Installation › Linux", "Configuration › The file book.toml"])
    expect(heads.first).to_have_attribute("href", "http://book.example/docs/install#step-1")
    expect(heads.first).to_have_attribute("target", "_blank")
    expect(answer.locator("p.more").get_by_role("link", name="Read on")).to_be_visible()
    expect(answer.locator("mark")).to_have_text(NEAREST)


# ------------------------------------------------------------ below the answer


def test_related_sections_are_links_and_stay(reader: Reader, fake: Fake, site: Site) -> None:
    elsewhere, here = near(1), near(2, site=site.url, section="")
    fake.replies = [Reply(related=[elsewhere, here, near(3, url="javascript:alert(1)")])]
    reader.open().ask()
    reader.ask("And then?")
    for _ in "live", "after a reload":
        expect(reader.turns).to_have_count(2)
        related = reader.page.get_by_role("region", name="Related sections")
        expect(related).to_have_count(1)
        expect(related.get_by_role("heading")).to_have_text("Related sections")
        expect(related.get_by_role("listitem")).to_have_text(["MorePart 1", "More", "MorePart 3"])
        links = related.get_by_role("link")
        expect(links).to_have_count(2)
        expect(links.first).to_have_attribute("href", elsewhere["url"])
        expect(links.first).to_have_attribute("target", "_blank")
        expect(links.first).to_have_attribute("rel", "noopener")
        assert links.last.get_attribute("target") is None, "the book's own pages open in place"
        order = "e => [...e.children].map(each => each.className)"
        below = reader.turns.first.locator(".below")
        assert below.evaluate(order) == ["links sources", "links related", "actions"]
        reader.page.reload()


@pytest.mark.parametrize(
    ("found", "sources", "heading"),
    [
        ("answer", quoted(), "Sources"),
        ("nearest", quoted(), "Nearest sections"),
        ("nothing", [], None),
        (None, quoted(), "Sources"),
    ],
)
def test_the_list_says_what_was_found(
    reader: Reader, fake: Fake, found: str | None, sources: list[Json], heading: str | None
) -> None:
    fake.replies = [Reply("So it says.", sources, metadata={"found": found})]
    reader.open().ask()
    if heading:
        expect(reader.page.locator("[aria-live]")).to_contain_text(f"{heading}: 2.")
    for _ in "live", "after a reload":
        regions = reader.answer.get_by_role("region")
        expect(regions).to_have_count(1 if heading else 0)
        if heading:
            expect(regions).to_have_accessible_name(heading)
        reader.page.reload()
        reader.answer.locator(".actions").wait_for()
