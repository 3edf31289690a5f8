"""The extractive answerer: which pieces it quotes, and how they read."""

from __future__ import annotations

import asyncio

import pytest

from rag.embedded.answerer import ExtractiveAnswerer
from rag.embedded.units import units
from rag.types import Brief, Chunk, Passage


def passage(text: str, score: float = 0.9, *, title: str = "Guide", section: str = "") -> Passage:
    return Passage(Chunk(text[:9], text, title, section, "docs/guide", "guide.md", 0), score)


def answer(question: str, *passages: Passage) -> str:
    async def run() -> str:
        parts = await ExtractiveAnswerer().answer(Brief(question, passages))
        return "".join([part async for part in parts if isinstance(part, str)])

    return asyncio.run(run())


def best(question: str, *passages: Passage) -> str:
    """The piece that is quoted first of all."""
    return asyncio.run(ExtractiveAnswerer().pick(Brief(question, passages)))[0].unit.text


def test_what_is_asked_is_quoted_and_cited() -> None:
    found = answer(
        "Where do cats sleep?",
        passage("Dogs bark at night. Cats sleep in warm places. Fish swim."),
    )
    assert found == "Cats sleep in warm places. [1]"


def test_a_definition_goes_before_a_mention() -> None:
    text = (
        "The implementor of a trait will specify the type in each trait. You meet a trait often. "
        "A trait defines what a type can do. Errors are returned."
    )
    assert best("What is a trait?", passage(text)).startswith("A trait defines what")


def test_a_bare_subject_asks_what_it_is() -> None:
    text = (
        "The compiler applies the first elision rule and gives both lifetimes of their own. "
        "The patterns that the compiler knows are called the *lifetime elision* rules."
    )
    assert best("lifetime elision", passage(text)).startswith("The patterns that")


def test_what_tells_two_things_apart_names_both() -> None:
    text = (
        "Different languages make different choices, and the difference is great. "
        "An Arc is an Rc that threads may share. Many prefer tea."
    )
    asked = "What is the difference between Rc and Arc?"
    assert best(asked, passage(text)).startswith("An Arc is an Rc")


def test_steps_and_commands_come_with_what_introduces_them() -> None:
    text = (
        "The server is small. Install the server with this command:\n\n"
        "```bash\nmake server\n```\n\nMany install it at night."
    )
    found = answer("How do I install the server?", passage(text))
    assert "Install the server with this command: [1]\n\n```bash\nmake server\n```" in found
    steps = "Do this to install the server:\n\n1. Stop it.\n2. Install it.\n3. Start it.\n"
    assert "1. Stop it.\n2. Install it.\n3. Start it. [1]" in answer(
        "How do I install the server?", passage(steps)
    )


def test_code_that_nothing_introduces_stands_under_its_headings() -> None:
    code = "```bash\nmake server\n```"
    found = answer("make server", passage(code, title="Quick start", section="Run it"))
    assert found == f"Quick start › Run it [1]\n\n{code}"


def test_what_introduces_code_brings_what_it_leans_on() -> None:
    text = "Ports are numbers. They are free.\n\n```python\nserver = serve(80)\n```"
    other = "An example of a server is the server at home, which is a server of mine."
    found = answer("show me an example of a server", passage(text), passage(other))
    assert found.startswith("Ports are numbers. They are free. [1]\n\n```python")


def test_what_leads_to_code_brings_what_it_leans_on() -> None:
    text = "The server has a port. It is set by this command:\n\n```bash\nmake port\n```"
    found = answer("Which command sets it?", passage(text))
    assert (
        found == "The server has a port. It is set by this command: [1]\n\n```bash\nmake port\n```"
    )


def test_code_under_a_heading_within_the_passage_stands_under_that() -> None:
    text = "Conversations stay.\n\n## Run the tests\n\n```bash\nmake test\n```"
    found = answer("How do I run the tests?", passage(text, title="Start", section="Update"))
    assert found == "Start › Run the tests [1]\n\n```bash\nmake test\n```"


def test_what_a_quoted_sentence_announces_comes_along() -> None:
    text = (
        "Here are the rules of cats. Keep these rules in mind:\n\n- They sleep.\n- They eat.\n\n"
        "Dogs have none."
    )
    found = answer("What are the rules of cats?", passage(text, section="The rules of cats"))
    assert "in mind: [1]\n\n- They sleep.\n- They eat. [1]" in found


@pytest.mark.parametrize(
    "question", ["server example", "Show me the server", "an example of a server, please"]
)
def test_who_asks_for_an_example_is_shown_code(question: str) -> None:
    text = (
        "A server is a program that answers. The server is small and quick. "
        "This is a server:\n\n```python\nserve(port=80)\n```\n\nMany like the server."
    )
    assert "```python\nserve(port=80)\n```" in answer(question, passage(text))
    assert "serve(port" not in answer("What is a server?", passage(text))


def test_code_goes_before_talk_of_examples() -> None:
    talk = passage("It may help to see examples of servers. Every example of a server is small.")
    code = passage("The port is free.\n\n```python\nserver = serve(80)\n```", 0.88)
    assert best("show me an example of a server", talk, code).startswith("```python")
    other = passage("The port is free.\n\n```python\nprint(cats)\n```", 0.3)
    assert "cats" not in best("show me an example of a server", talk, other)


def test_code_that_nothing_introduces_is_an_example_too() -> None:
    text = "A server is small and quick. Servers run.\n\n```python\nserver = serve(80)\n```"
    assert best("server example", passage(text)).startswith("```python")
    assert best("What is a server?", passage(text)).startswith("A server")


def test_a_list_that_nothing_introduces_is_quoted_by_the_item() -> None:
    text = "- Quick start: two commands.\n- Your book: index it.\n- Deployment: put it online.\n"
    found = answer("How do I index my book?", passage(text))
    assert found == "Your book: index it. [1]"


@pytest.mark.parametrize(
    "useless",
    [
        "Listing 4-1 (src/main.rs): Borrowing a value with the borrow checker",
        "Figure 2: the borrow checker",
        "Let's take a look at the borrow checker.",
        "At this point the borrow checker is happy.",
        "What is the borrow checker?",
    ],
)
def test_captions_and_signposts_answer_nothing(useless: str) -> None:
    text = f"{useless}\n\nThe borrow checker compares scopes, and refuses what outlives them."
    found = answer("borrow checker", passage(text))
    assert found == "The borrow checker compares scopes, and refuses what outlives them. [1]"


def test_a_sentence_that_leans_on_another_brings_it() -> None:
    text = "Ownership is unique to this language. It frees memory without a collector. Cats sleep."
    found = answer("What frees memory without a collector?", passage(text))
    assert found.startswith("Ownership is unique to this language. It frees memory")


def test_nothing_found_is_said_in_the_readers_language() -> None:
    assert answer("How do I cook risotto?").startswith("The book does not seem")
    assert answer("Wie koche ich ein Risotto?").startswith("Dazu scheint das Buch")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("hi", "Welcome! Ask a question"),
        ("  Thank you so much!! ", "You are welcome."),
        ("Great, thanks!", "You are welcome."),
        ("¡Hola!", "Puede hacer"),
        ("Спасибо", "Пожалуйста"),
        ("こんにちは。", "ようこそ"),
        ("السلام علیکم", "خوش آمدید"),
        ("hi, how do I fly?", "The book does not seem"),
        ("high", "The book does not seem"),
    ],
)
def test_a_greeting_is_no_question_that_the_book_failed(said: str, expected: str) -> None:
    assert answer(said).startswith(expected)


def test_units_of_every_kind() -> None:
    text = (
        "# Heading\n\nOne is. Two:\n\n- a\n- b\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n\n"
        "```py\ncode\n```"
    )
    assert [(unit.kind, unit.text) for unit in units(text)] == [
        ("sentence", "One is."),
        ("sentence", "Two:"),
        ("item", "- a"),
        ("item", "- b"),
        ("row", "| 1 | 2 |"),
        ("code", "```py\ncode\n```"),
    ]


def test_units_know_their_heading_and_what_opens() -> None:
    text = "One is. Two is.\n\n## Cats\n\n- a\n- b\n\n## Dogs\n\nThey bark. They run."
    assert [(unit.text, unit.heading, unit.opens) for unit in units(text)] == [
        ("One is.", "", True),
        ("Two is.", "", False),
        ("- a", "Cats", True),
        ("- b", "Cats", False),
        ("They bark.", "Dogs", True),
        ("They run.", "Dogs", False),
    ]


def test_a_word_alone_is_read_with_the_next_sentence() -> None:
    assert [unit.text for unit in units("Yes. It runs. No keys are needed.")] == [
        "Yes. It runs.",
        "No keys are needed.",
    ]


def test_captions_are_no_pieces_unless_there_is_nothing_else() -> None:
    lead = "Two writers of one value fail:"
    code = "```rust\nlet a = 1;\n```"
    for caption in ("(src/main.rs)", "src/main.rs", "Listing 4-1 (src/main.rs): Two writers"):
        assert [unit.text for unit in units(f"{lead}\n\n{caption}\n\n{code}")] == [lead, code]
        assert [unit.text for unit in units(caption)] == [caption]


def test_what_leads_to_nothing_brings_nothing() -> None:
    text = "Two writers of one value fail:\n\nHere is the error:\n\nTea is hot."
    assert (
        answer("Can there be two writers?", passage(text)) == "Two writers of one value fail: [1]"
    )


def test_a_definition_goes_on_where_it_stands() -> None:
    text = "A trait defines what a type can do. Types share it. Green is a colour."
    other = passage("You will often meet a trait, and another trait, in this book.", 0.89)
    found = answer("What is a trait?", passage(text), other)
    assert found == "A trait defines what a type can do. Types share it. [1]"


def test_a_step_comes_with_all_steps_to_one_who_asks_how() -> None:
    steps = "1. The index is opened.\n2. The index gives candidates.\n3. Tea is served."
    assert answer("What are candidates?", passage(steps)) == "The index gives candidates. [1]"
    assert answer("How do I get candidates?", passage(steps)) == f"{steps} [1]"


def test_output_is_nothing_to_do() -> None:
    text = (
        "When you install the server, it prints:\n\n```text\nserver ready\n```\n\n"
        "Get the server with this:\n\n```bash\nmake install\n```"
    )
    assert best("How do I install the server?", passage(text)) == "Get the server with this:"


def test_code_that_opens_a_section_that_is_the_question_is_what_to_do() -> None:
    other = "To run it anew:\n\n```bash\nmake run\n```\n\n"
    text = f"{other}## Run the tests\n\n```bash\nmake test\n```\n\n"
    text += "Some tests are slow. Some tests are not. Tea is hot. So is soup."
    assert "make test" in best("How do I run the tests?", passage(text))


@pytest.mark.parametrize(
    ("question", "bare", "wanted"),
    [
        ("Who wrote the tale?", "The tale was written at sea.", "The tale came from Anna Lee."),
        ("How many tales are there?", "There are tales, and many.", "The tales number forty."),
        (
            "When was the tale told?",
            "The tale was told by the fire.",
            "Then, in 1820, the tale was told.",
        ),
        (
            "Why is the tale told?",
            "The tale is told by the fire.",
            "The tale is told because of its wolf.",
        ),
    ],
)
def test_a_name_a_number_a_time_or_a_reason_is_looked_for(
    question: str, bare: str, wanted: str
) -> None:
    assert best(question, passage(f"{bare} {wanted}")) == wanted


@pytest.mark.parametrize(
    "question", ["When was the bridge built?", "In which year was the bridge built?"]
)
def test_when_something_was_is_not_told_by_what_has_no_date(question: str) -> None:
    undated = passage("The bridge was built of stone. It opened with a feast.")
    assert "[1]" not in answer(question, undated)
    assert "[1]" in answer("How was the bridge built?", undated)
    for dated in ("In 1878 the bridge was built.", "The bridge was built in the sixties, in May."):
        assert dated in answer(question, undated, passage(dated))


def test_code_is_no_reason() -> None:
    code = passage("Immutable state in a store looks so:\n\n```js\nstate\n```")
    words = passage("Immutable state in a store can be compared.", 0.7)
    assert best("Why is state immutable in a store?", code, words) == words.chunk.text
    assert best("How do I keep state immutable in a store?", code, words) != words.chunk.text


def test_what_is_named_as_a_topic_is_said_elsewhere() -> None:
    text = "- How to set up the server with Next.js\n- Tea"
    other = passage("Set up the server with one file.", 0.85)
    assert best("How do I set up the server?", passage(text), other).startswith("Set up")


def test_what_stands_under_further_information_is_said_elsewhere() -> None:
    links = passage("Ways to set up the server", section="Server › Further information")
    other = passage("Set up the server with one file.", 0.8)
    assert best("How do I set up the server?", links, other).startswith("Set up")
    titled = passage("- Set up the server\n  https://example.org/server\n  With one file.")
    assert best("How do I set up the server?", titled, other).startswith("Set up the server with")


def test_one_who_asks_how_is_told_by_what_means() -> None:
    text = "A server is defined in many ways. A server is defined by writing one file."
    assert best("How do I define a server?", passage(text)).endswith("one file.")


def test_a_list_that_only_points_elsewhere_is_left() -> None:
    text = "Try some of these:\n\n- Await each async block.\n- Await an async loop."
    other = passage("The word await waits for an async block.", 0.8)
    assert best("async await", passage(text), other).startswith("The word await")


def test_what_stands_first_under_the_question_itself_answers_it() -> None:
    chapter = passage("What an answer may cost at most can be set aside.")
    asked = passage("It costs nothing. Some hosts want money.", 0.85, section="What does it cost?")
    assert best("What does it cost?", chapter, asked) == "It costs nothing."
    joined = passage("Welcome here.\n\n## What does it cost?\n\nIt costs nothing.", 0.85)
    assert best("what does it cost", chapter, joined) == "It costs nothing."


def test_below_the_question_itself_a_short_paragraph_is_quoted_whole() -> None:
    text = "Some hosts want money. A server costs nothing at home. Beyond that it is free."
    asked = passage(text, section="What does a server cost?")
    assert answer("What does the server cost?", asked) == f"{text} [1]"
    elsewhere = passage(text, section="Hosts")
    assert answer("What does the server cost?", elsewhere) == "A server costs nothing at home. [1]"
    long = passage(text + " And so on." * 50, section="What does a server cost?")
    assert "Beyond that" not in answer("What does the server cost?", long)


def test_beside_what_stands_below_the_question_itself_little_else_is_quoted() -> None:
    asked = passage("It costs nothing at home.", section="What does a server cost?")
    other = passage("The server writes a log.", 0.88)
    assert answer("What does the server cost?", asked, other) == "It costs nothing at home. [1]"
    asked = passage("It costs nothing at home.", section="Money")
    assert "log" in answer("What does the server cost?", asked, other)


def test_a_row_that_names_the_subject_defines_it() -> None:
    table = (
        "| variable | meaning |\n| --- | --- |\n"
        "| `OTHER` | Passages per answer. |\n| `ADMIN_TOKEN` | Opens the author's page. |"
    )
    prose = "The page keeps the admin token until its tab is closed."
    assert "Opens" in best("What is the admin token?", passage(prose), passage(table, 0.8))


def test_a_block_must_earn_its_place_beside_a_sentence() -> None:
    sentence = passage("Cats sleep in warm places.")
    code = passage("The cats of the workflow are in this file:\n\n```yaml\nname: index\n```", 0.89)
    assert answer("Where do cats sleep?", sentence, code) == "Cats sleep in warm places. [1]"


def test_a_sentence_without_what_it_leans_on_stands_back() -> None:
    leaning = passage("Their rate limits end first.")
    whole = passage("The limit of a rate is `RATE_PER_MINUTE`.", 0.85)
    assert best("How do I set a rate limit?", leaning, whole).startswith("The limit")
