"""The author's page on the real service, with a month of conversations."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.adapters.database.postgres import Postgres
from tests.browser.conftest import DESKTOP, PHONE, Reader
from tests.browser.test_access import violations
from tests.support.postgres import new_database, using
from tests.support.readers import converse, month
from tests.support.service import Service, serving
from tests.upstreams import Upstreams

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

TOKEN = "correct-horse-battery-staple"
AUTHOR = {"Authorization": f"Bearer {TOKEN}"}
EVIL = '=HYPERLINK("https://evil.example")<img src=x onerror=alert(1)>'


async def _seed(db: Postgres) -> None:
    await month(db)
    await converse(db, EVIL, sources=())


@pytest.fixture(scope="module")
def author(
    postgres_server: str, upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Start a service with a token.

    A thread fills the database: this one already has a loop.
    """
    made: list[Any] = []
    folder = tmp_path_factory.mktemp("author")
    done, ready = threading.Event(), threading.Event()

    def database() -> None:
        with new_database(postgres_server) as url:
            using(url, _seed)
            made.append(url)
            ready.set()
            done.wait()

    thread = threading.Thread(target=database, daemon=True)
    thread.start()
    assert ready.wait(60)
    variables = {"DATABASE_URL": made[0], "ADMIN_TOKEN": TOKEN, "TOKEN_PRICE": "0.6"}
    variables |= {
        "OPENAI_API_KEY": upstreams.openai.key,
        "OPENAI_BASE_URL": upstreams.openai.url + "/v1",
    }
    with serving(
        folder / "log", DATA_DIR=str(folder), BOOK_TITLE="My Book", **variables
    ) as running:
        yield running
    done.set()
    thread.join(20)


@pytest.fixture(autouse=True)
def _a_model_that_was_shut_down(upstreams: Upstreams) -> None:
    """Set it for each test: after each one the services are healed."""
    upstreams.openai.models = {"gpt-6-luna": {"shutdown_date": "2026-01-31"}}


def enter(reader: Reader, author: Service, token: str = TOKEN) -> Reader:
    reader.page.goto(f"{author.url}/admin")
    reader.page.get_by_label("Token", exact=True).fill(token)
    reader.page.get_by_role("button", name="Open").click()
    return reader


def loaded(reader: Reader) -> None:
    """Wait for the last table."""
    reader.page.locator("[data-table=questions] tbody tr").first.wait_for()


def test_the_token_opens_it_as_long_as_the_tab_is_open(
    readers: Callable[..., Reader], author: Service
) -> None:
    reader = readers()
    page = reader.page
    enter(reader, author, "a-wrong-token-of-a-guesser")
    expect(page.get_by_role("alert")).to_contain_text("the token is missing or wrong")
    expect(page.locator("#view")).to_be_hidden()
    enter(reader, author)
    loaded(reader)
    assert TOKEN not in page.url
    page.reload()
    loaded(reader)
    assert page.context.cookies() == []
    assert page.evaluate("localStorage.length") == 0
    other = page.context.new_page()
    other.goto(f"{author.url}/admin")
    expect(other.get_by_label("Token", exact=True)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token", exact=True)).to_be_focused()
    assert "Linux" not in page.locator("main").inner_text()
    page.reload()
    expect(page.get_by_label("Token", exact=True)).to_be_visible()


def test_a_reload_while_the_tables_load_keeps_the_token(
    readers: Callable[..., Reader], author: Service
) -> None:
    reader = readers()
    page = reader.page
    page.route("**/admin/retention?*", lambda route: None)
    enter(reader, author)
    loaded(reader)
    page.reload()
    loaded(reader)


def test_signing_out_while_a_period_loads_shows_nothing(
    readers: Callable[..., Reader], author: Service
) -> None:
    reader = enter(readers(), author)
    loaded(reader)
    page = reader.page
    waiting: list[Any] = []
    page.route("**/admin/days?*", lambda route: waiting.append(route))
    with page.expect_request("**/admin/days?*"):
        page.get_by_label("Period").select_option("7")
    page.get_by_role("button", name="Sign out").click()
    with page.expect_response("**/admin/days?*"):
        waiting[0].continue_()
    page.wait_for_timeout(300)
    expect(page.get_by_label("Token", exact=True)).to_be_visible()
    expect(page.locator("#view")).to_be_hidden()


def test_it_shows_what_to_write_next(readers: Callable[..., Reader], author: Service) -> None:
    def warned() -> object:
        return httpx.get(f"{author.url}/admin/warnings", headers=AUTHOR, timeout=60).json()["rows"]

    # A check that the model did not answer is made again after a minute. Requests are limited.
    for _ in range(12):
        if warned():
            break
        time.sleep(10)
    reader = enter(readers(), author)
    loaded(reader)
    page = reader.page
    expect(page.locator("#book")).to_have_text("My Book")
    first = page.locator("[data-table=unanswered] tbody tr").first
    expect(first).to_contain_text("Can I export my notes as PDF?")
    first.get_by_text("Similar questions").click()
    expect(first.get_by_role("listitem")).to_have_text("exporting notes to PDF")
    sections = page.locator("[data-table=sections] tbody tr")
    expect(sections.first.get_by_role("link", name="Install › Linux")).to_have_attribute(
        "href", f"{author.url.replace('127.0.0.1', 'localhost')}/book/docs/install#linux"
    )
    expect(page.locator("[data-table=ratings]")).to_contain_text("It does not say <b>why</b>.")
    expect(page.locator("[data-table=answerers]")).to_contain_text("the model was too slow")
    expect(page.locator("[data-table=unanswered]")).to_contain_text(EVIL)
    expect(page.get_by_role("img", name="Questions per day")).to_be_visible()
    page.locator("#perday summary").click()
    expect(page.locator("#perday tbody tr")).to_have_count(30)
    expect(page.locator("#sums")).to_contain_text("Cost")
    expect(page.locator("#sums div", has_text="Unsupported statements").locator("dd")).to_have_text(
        "2"
    )
    todo = page.get_by_role("region", name="To do").get_by_role("listitem")
    expect(todo).to_have_text(
        "gpt-6-luna was shut down on 2026-01-31. Set CHAT_MODEL to a current model."
    )


def test_periods_pages_and_sheets(
    readers: Callable[..., Reader], author: Service, tmp_path: Path
) -> None:
    reader = enter(readers(), author)
    loaded(reader)
    page = reader.page
    rows = page.locator("[data-table=questions] tbody tr")
    expect(rows).to_have_count(10)
    page.locator("[data-table=questions]").get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(20)
    expect(page.locator("[data-table=questions] .more")).to_be_focused()
    with page.expect_download() as download:
        page.get_by_role("button", name="What to write next as CSV").click()
    download.value.save_as(tmp_path / "sheet.csv")
    assert download.value.suggested_filename == "unanswered.csv"
    with (tmp_path / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert f"'{EVIL}" in cells
    before = page.locator("#sums dd").first.inner_text()
    page.get_by_label("Period").select_option("7 days")
    expect(page.locator("#perday tbody tr")).to_have_count(7)
    assert page.locator("#sums dd").first.inner_text() != before


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(
    readers: Callable[..., Reader], author: Service, device: dict[str, Any], scheme: str
) -> None:
    reader = readers(**device, color_scheme=scheme, reduced_motion="reduce")
    reader.page.goto(f"{author.url}/admin")
    assert violations(reader.page) == []
    enter(reader, author)
    loaded(reader)
    for summary in reader.page.locator("summary").all():
        summary.click()
    assert violations(reader.page) == []
    width = reader.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0
