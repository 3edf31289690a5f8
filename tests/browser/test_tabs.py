"""Several tabs of one browser, and reloads: a page keeps the conversation that it shows."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Reader, Site
from tests.browser.fake import Fake, Reply
from tests.browser.test_asking import select

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect


def another_tab(reader: Reader, site: Site) -> Reader:
    """Open the book in another tab of the same browser."""
    other = Reader(reader.page.context.new_page(), site)
    return other.open()


def questions(reader: Reader) -> list[str]:
    return reader.turns.locator(".question > p").all_inner_texts()


def begin(reader: Reader) -> None:
    reader.page.get_by_role("button", name="New conversation").click()
    expect(reader.turns).to_have_count(0)


def delete_all(reader: Reader) -> None:
    reader.page.get_by_role("button", name="Delete my conversations").click()
    dialog = reader.page.get_by_role("dialog", name="Delete all your conversations")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog).to_be_hidden()


def test_another_tab_begins_a_new_conversation(reader: Reader, fake: Fake, site: Site) -> None:
    reader.open().ask("A one")
    (first,) = fake.sessions
    other = another_tab(reader, site)
    expect(other.turns).to_have_count(1)  # the newest conversation is restored
    begin(other)
    other.ask("B one")
    (second,) = set(fake.sessions) - {first}

    reader.ask("A two")
    assert fake.asked[-1]["session_id"] == first
    other.ask("B two")
    assert fake.asked[-1]["session_id"] == second
    reader.turns.last.get_by_role("button", name="Good answer").click()
    expect(reader.page.locator("[aria-live]")).to_contain_text("Thank you")
    assert fake.ratings[-1] == {"session_id": first, "n": 2, "rating": 1}

    reader.page.reload()
    expect(reader.turns).to_have_count(2)
    assert questions(reader) == ["A one", "A two"]
    other.page.reload()
    expect(other.turns).to_have_count(2)
    assert questions(other) == ["B one", "B two"]


def test_a_tab_that_has_begun_anew_stays_empty(reader: Reader, fake: Fake, site: Site) -> None:
    reader.open().ask("A one")
    begin(reader)
    another_tab(reader, site).ask("B one")
    reader.page.reload()
    expect(reader.page.locator(".greeting")).to_be_visible()
    expect(reader.turns).to_have_count(0)
    reader.ask("A two")
    assert "session_id" not in fake.asked[-1]


def test_the_next_page_of_a_tab_shows_its_conversation(
    reader: Reader, fake: Fake, site: Site
) -> None:
    reader.open().ask("A one")
    other = another_tab(reader, site)
    begin(other)
    other.ask("B one")
    reader.page.goto(f"{site.url}/next")
    expect(reader.turns).to_have_count(1)
    assert questions(reader) == ["A one"]


def test_a_new_tab_shows_the_newest_conversation(reader: Reader, fake: Fake, site: Site) -> None:
    reader.open().ask("A one")
    other = another_tab(reader, site)
    begin(other)
    other.ask("B one")
    third = another_tab(reader, site)
    expect(third.turns).to_have_count(1)
    assert questions(third) == ["B one"]


def test_saving_gives_the_conversation_on_the_page(reader: Reader, fake: Fake, site: Site) -> None:
    reader.open().ask("A one")
    other = another_tab(reader, site)
    begin(other)
    other.ask("B one")
    with reader.page.expect_download() as download:
        reader.page.get_by_role("button", name="Download this conversation").click()
    assert download.value.path().read_text() == "A one"


def test_deletion_in_another_tab_is_noticed(reader: Reader, fake: Fake, site: Site) -> None:
    reader.open().ask("A one")
    other = another_tab(reader, site)
    reader.field.fill("half a question")
    delete_all(other)
    gone = "The earlier conversation was deleted or has expired."
    expect(reader.page.locator(".greeting")).to_contain_text(gone)
    expect(reader.page.locator("[aria-live]")).to_contain_text(gone)
    expect(reader.turns).to_have_count(0)
    expect(reader.field).to_have_value("half a question")
    assert reader.page.evaluate("localStorage.length") == 0
    reader.ask("A two")
    assert "session_id" not in fake.asked[-1]
    assert len(fake.sessions) == 1


def test_deletion_in_another_tab_stops_an_answer(reader: Reader, fake: Fake, site: Site) -> None:
    reader.open().ask("A one")
    other = another_tab(reader, site)
    fake.replies = [Reply(held=True)]
    reader.type("A two")
    expect(reader.answer).to_contain_text("Run the")
    delete_all(other)
    expect(reader.turns).to_have_count(0)
    expect(reader.page.get_by_role("button", name="Send")).to_be_visible()
    fake.released = True


def test_deletion_in_another_tab_of_a_closed_panel(reader: Reader, fake: Fake, site: Site) -> None:
    """The tab has a stopped question of the deleted conversation; it goes too."""
    reader.open().ask("A one")
    fake.replies = [Reply(held=True)]
    reader.type("A two")
    expect(reader.answer).to_contain_text("Run the")
    reader.page.get_by_role("button", name="Stop").click()
    other = another_tab(reader, site)
    reader.page.goto("about:blank")
    delete_all(other)
    fake.released = True
    reader.page.goto(site.url)
    expect(reader.page.locator(".greeting")).to_be_visible()
    expect(reader.turns).to_have_count(0)


def test_an_expired_conversation_is_noticed(reader: Reader, fake: Fake) -> None:
    """The service answers under a new id; ratings of earlier answers do not go there."""
    reader.open().ask("One")
    (first,) = fake.sessions
    fake.sessions.clear()
    reader.ask("Two")
    expect(reader.page.locator(".gone")).to_contain_text("was deleted or has expired")
    reader.turns.last.get_by_role("button", name="Good answer").click()
    expect(reader.page.locator("[aria-live]")).to_contain_text("Thank you")
    (second,) = fake.sessions
    assert fake.ratings[-1] == {"session_id": second, "n": 1, "rating": 1}
    assert first != second


# ------------------------------------------------------------ stop, then reload


def stop(reader: Reader, fake: Fake, question: str) -> None:
    fake.replies = [Reply(pause_after=8)]
    reader.type(question)
    expect(reader.answer).to_contain_text("Run the installer")
    reader.page.get_by_role("button", name="Stop").click()
    expect(reader.answer).to_contain_text("Stopped.")


def test_stop_keeps_question_partial_answer_and_draft(reader: Reader, fake: Fake) -> None:
    reader.open().ask("One")
    stop(reader, fake, "Two")
    reader.field.fill("and then")
    partial = reader.answer.locator(".prose").inner_text()
    reader.page.reload()
    expect(reader.turns).to_have_count(2)
    assert questions(reader) == ["One", "Two"]
    expect(reader.answer).to_contain_text("Stopped.")
    assert reader.answer.locator(".prose").inner_text() == partial
    expect(reader.answer.locator(".prose strong")).to_have_text("installer")
    expect(reader.answer.locator(".cite")).to_have_text("1")
    expect(reader.field).to_have_value("and then")

    fake.released = True
    reader.page.get_by_role("button", name="Try again").click()
    expect(reader.answer.locator(".actions")).to_be_visible()
    assert fake.asked[-1]["message"] == "Two"
    assert fake.asked[-1]["session_id"] == fake.asked[-2]["session_id"]
    reader.page.reload()
    expect(reader.turns.last.locator(".actions")).to_be_visible()
    assert questions(reader) == ["One", "Two"]


def test_the_first_question_stopped(reader: Reader, fake: Fake) -> None:
    """Nothing was saved, so the service does not know the conversation."""
    stop(reader.open(), fake, "One")
    fake.sessions.clear()
    reader.page.reload()
    expect(reader.turns).to_have_count(1)
    assert questions(reader) == ["One"]
    expect(reader.answer).to_contain_text("Run the installer")


def test_stopped_before_the_first_word(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(hang=3)]
    reader.open().type("One")
    reader.page.get_by_role("button", name="Stop").click()
    expect(reader.answer).to_contain_text("Stopped.")
    reader.field.fill("Two")
    reader.page.reload()
    assert questions(reader) == ["One"]
    expect(reader.field).to_have_value("Two")


def test_stopped_questions_keep_their_places(reader: Reader, fake: Fake) -> None:
    stop(reader.open(), fake, "One")
    reader.ask("Two")
    stop(reader, fake, "Three")
    stop(reader, fake, "Four")
    reader.ask("Five")
    reader.page.reload()
    expect(reader.turns).to_have_count(5)
    assert questions(reader) == ["One", "Two", "Three", "Four", "Five"]
    begin(reader)
    reader.page.reload()
    expect(reader.page.locator(".greeting")).to_be_visible()
    expect(reader.turns).to_have_count(0)


def test_an_answer_that_the_service_has_finished_is_shown_once(reader: Reader, fake: Fake) -> None:
    reader.open().ask("One")
    stop(reader, fake, "Two")
    (turns,) = filter(None, fake.sessions.values())  # a slow question of the test before has none
    turns.append({**turns[0], "n": 2, "question": "Two"})
    reader.page.reload()
    expect(reader.turns.last.locator(".actions")).to_be_visible()
    assert questions(reader) == ["One", "Two"]


def test_without_the_history_stopped_questions_are_still_there(reader: Reader, fake: Fake) -> None:
    reader.open().ask("One")
    stop(reader, fake, "Two")
    fake.history_status = 503
    reader.page.reload()
    expect(reader.answer).to_contain_text("Run the installer")
    assert questions(reader) == ["Two"]
    fake.history_status = 0
    reader.page.locator(".loading").get_by_role("button", name="Try again").click()
    expect(reader.turns).to_have_count(2)
    assert questions(reader) == ["One", "Two"]


def test_a_reload_in_the_middle_keeps_question_and_draft(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(pause_after=8)]
    reader.open().type("One")
    expect(reader.answer).to_contain_text("Run the installer")
    reader.field.fill("Two")
    reader.page.reload()
    expect(reader.answer).to_contain_text("Run the installer")
    assert questions(reader) == ["One"]
    expect(reader.field).to_have_value("Two")
    fake.released = True


def test_a_stopped_question_is_shown_on_the_next_page(
    reader: Reader, fake: Fake, site: Site
) -> None:
    stop(reader.open(), fake, "One")
    reader.page.goto(f"{site.url}/next")
    expect(reader.turns).to_have_count(1)
    assert questions(reader) == ["One"]
    expect(reader.answer).to_contain_text("Run the installer")


def test_a_stopped_question_keeps_its_highlighted_text(
    reader: Reader, fake: Fake, site: Site
) -> None:
    reader.page.goto(site.url)
    select(reader.page, "passage")
    reader.page.get_by_role("button", name="Ask about this").click()
    stop(reader, fake, "One")
    reader.page.reload()
    expect(reader.turns.locator(".question blockquote")).to_contain_text("Fetch the archive")
    fake.released = True
    reader.page.get_by_role("button", name="Try again").click()
    expect(reader.answer.locator(".actions")).to_be_visible()
    assert fake.asked[-1]["context"] == fake.asked[0]["context"]
    assert fake.asked[-1]["page"] == fake.asked[0]["page"]


def test_a_second_attempt_that_a_reload_interrupts(reader: Reader, fake: Fake) -> None:
    stop(reader.open(), fake, "One")
    reader.page.reload()
    fake.replies = [Reply(pause_after=8)]
    reader.page.get_by_role("button", name="Try again").click()
    expect(reader.answer).to_contain_text("Run the installer")
    reader.page.reload()
    expect(reader.turns).to_have_count(1)
    expect(reader.answer).to_contain_text("Run the installer")
    assert questions(reader) == ["One"]
    fake.released = True


def test_a_reload_before_the_first_word_keeps_the_question(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(hang=3)]
    reader.open().type("One")
    reader.page.reload()
    expect(reader.field).to_have_value("One")


def test_a_stopped_answer_in_code_is_whole_after_a_reload(reader: Reader, fake: Fake) -> None:
    text = "Do it:\n\n```sh\nmake one\nmake two\n```\n\nThen it is done."
    fake.replies = [Reply(text, pause_after=4)]
    reader.open().type("One")
    expect(reader.answer.locator("pre")).to_contain_text("make")
    reader.page.get_by_role("button", name="Stop").click()
    expect(reader.answer).to_contain_text("Stopped.")
    code = reader.answer.locator("pre").inner_text()
    reader.page.reload()
    expect(reader.answer).to_contain_text("Stopped.")
    assert reader.answer.locator("pre").inner_text() == code
    reader.ask("Two")
    assert questions(reader) == ["One", "Two"]


def test_a_broken_answer_survives_a_reload(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(pause_after=7, cut_after=8)]
    reader.open().type("One")
    expect(reader.answer).to_contain_text("Run the installer")
    fake.released = True
    expect(reader.answer).to_contain_text("was lost before the answer was complete")
    reader.page.reload()
    expect(reader.answer).to_contain_text("was lost before the answer was complete")
    expect(reader.answer).to_contain_text("Run the installer")
    expect(reader.field).to_have_value("")
    reader.page.get_by_role("button", name="Try again").click()
    expect(reader.answer.locator(".actions")).to_be_visible()
    expect(reader.turns).to_have_count(1)


def test_deleting_everything_deletes_stopped_questions(reader: Reader, fake: Fake) -> None:
    reader.open().ask("One")
    stop(reader, fake, "Two")
    delete_all(reader)
    reader.page.reload()
    expect(reader.page.locator(".greeting")).to_be_visible()
    expect(reader.turns).to_have_count(0)
    assert "Two" not in reader.page.evaluate("Object.values(sessionStorage).join()")
