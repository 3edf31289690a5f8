"""The pictures of the README and the handbook: `python -m bench.pictures`, or `make pictures`.

Indexes the handbook, starts the service on the embedded engines, asks it in Chromium, and writes
`docs/images/chat.png` and `docs/images/chat-animated.png` (an APNG). Then it shows two answers
with the Markdown of chat models and writes `docs/images/markdown.png`. To compare, the widget of
another commit shows the same answers in `docs/images/markdown-before.png`:

    git show f73f427^:widget/widget.js >before.js
    python -m bench.pictures before.js

Needs Chromium and a font with Chinese signs (`apt-get install chromium fonts-wqy-microhei`). Fonts
differ between machines, and so do the bytes.
"""

from __future__ import annotations

import base64
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import fake
from tests.support.service import ROOT, environment, run, serving

FOLDER = ROOT / "docs" / "images"
QUESTION = "How do I delete a conversation?"
SIZE = {"width": 960, "height": 720}
MARKDOWN = {
    "Markdown as models write it": """A call costs little (~$1.50), a day more (~$10).

请看**「重要」**部分，**注意：**见 http://book.example/a。然后继续。

| Step | What it does |
|---|---|
| one<br>two | fetch &mdash; unpack &rarr; run |

The mean is \\(\\frac{a_1 * b_2}{n}\\) and \\[E = mc^2\\].""",
    "من اليمين إلى اليسار": """`pip install book` هو الأمر الذي يثبّت الكتاب.

- `make run` يشغّل الخدمة
- `make test` يشغّل الاختبارات

Docker هو أداة لتشغيل الحاويات.

| `flag` | `value` |
|---|---|
| `-v` | يعرض المزيد |""",
}
"""Questions and answers."""
STILL = -3
"""The frame that is the screenshot: the answer."""
LIMIT = 400_000
"""Bytes of one picture."""
COLOURS = 256
"""Of one picture; rarer ones become the nearest of these."""

_DECODE = """async data => {
  const file = await fetch("data:image/png;base64," + data);
  const bitmap = await createImageBitmap(await file.blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  canvas.drawImage(bitmap, 0, 0);
  const pixels = canvas.getImageData(0, 0, bitmap.width, bitmap.height).data;
  let text = '';
  for (let at = 0; at < pixels.length; at += 32768)
    text += String.fromCharCode(...pixels.subarray(at, at + 32768));
  return btoa(text);
}"""
"""Chromium decodes its own screenshots, so that no imaging package is needed."""

Pixels = NDArray[np.uint32]
"""Height × width, each 0xRRGGBB."""


@dataclass(frozen=True)
class Frame:
    pixels: Pixels
    milliseconds: int


def main(arguments: list[str]) -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        print("Chromium is needed: apt-get install chromium", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        name = "markdown-before.png" if arguments else "markdown.png"
        write(FOLDER / name, [markdown(browser, *map(Path, arguments))])
        browser.close()
    if arguments:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        data = {"DATA_DIR": f"{folder}/data", "BOOK_TITLE": "Ask the Book"}
        run("ingest.py", "docs", env=environment(**data)).check_returncode()
        with serving(Path(folder) / "log", **data) as service, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            decoder = browser.new_page()
            page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
            page.goto(service.url)
            frames = list(film(page, decoder))
            browser.close()
    FOLDER.mkdir(exist_ok=True)
    write(FOLDER / "chat.png", [frames[STILL]])
    write(FOLDER / "chat-animated.png", frames)
    return 0


def film(page: Page, decoder: Page) -> Iterator[Frame]:
    """Ask, read the answer, point at a citation, follow it into the book."""

    def shot(milliseconds: int, page: Page = page) -> Frame:
        return Frame(pixels(page.screenshot(), decoder), milliseconds)

    field = page.get_by_role("textbox", name="Ask a question")
    page.locator(".suggestions button").first.wait_for()
    yield shot(1200)
    for end in range(4, len(QUESTION), 4):
        field.fill(QUESTION[:end])
        yield shot(110)
    field.fill(QUESTION)
    yield shot(500)
    field.press("Enter")
    page.locator(".turn .sources").wait_for()
    yield shot(2500)
    citation = page.locator(".answer a.cite").first
    citation.hover()
    page.locator(".preview").wait_for()
    yield shot(2500)
    with page.expect_popup() as opened:
        citation.click()
    opened.value.wait_for_load_state()
    yield shot(3000, opened.value)


def markdown(browser: Browser, widget: Path = fake.BUNDLE) -> Frame:
    """Show the answers in the chat of a scripted service."""
    service = fake.Fake()
    service.replies = [fake.Reply(answer, []) for answer in MARKDOWN.values()]
    with tempfile.TemporaryDirectory() as folder:
        for path in fake.WIDGET.glob("*.js"):
            shutil.copy(path, folder)
        shutil.copy(widget, Path(folder) / "widget.js")
        served, fake.WIDGET = fake.WIDGET, Path(folder)
        try:
            with fake.serve(service.app()) as url:
                page = browser.new_page(viewport={"width": 600, "height": 1000})
                page.goto(url)
                field = page.get_by_role("textbox", name="Ask a question")
                for n, question in enumerate(MARKDOWN):
                    field.fill(question)
                    field.press("Enter")
                    page.locator(".turn").nth(n).locator(".actions").wait_for()
                return Frame(pixels(page.locator(".log").screenshot(), browser.new_page()), 0)
        finally:
            fake.WIDGET = served


def pixels(png: bytes, decoder: Page) -> Pixels:
    """Decode a screenshot."""
    height, width = struct.unpack(">II", png[16:24])[::-1]
    raw = base64.b64decode(decoder.evaluate(_DECODE, base64.b64encode(png).decode()))
    rgba = np.frombuffer(raw, np.uint8).reshape(height, width, 4)
    red, green, blue = (rgba[..., n].astype(np.uint32) for n in range(3))
    return red << 16 | green << 8 | blue


def write(path: Path, frames: list[Frame]) -> None:
    """Write a PNG, or an APNG of several frames; each holds only what has changed."""
    palette = _palette(frames)
    first = frames[0].pixels
    parts = [
        b"\x89PNG\r\n\x1a\n",
        _part(b"IHDR", struct.pack(">IIBBBBB", first.shape[1], first.shape[0], 8, 3, 0, 0, 0)),
        _part(b"PLTE", b"".join(int(colour).to_bytes(3, "big") for colour in palette)),
    ]
    if len(frames) > 1:
        parts.append(_part(b"acTL", struct.pack(">II", len(frames), 0)))
    sequence = 0
    before = None
    for frame in frames:
        top, bottom, left, right = _changed(before, frame.pixels)
        indexed = _indexed(frame.pixels[top:bottom, left:right], palette)
        rows = b"".join(b"\0" + row.tobytes() for row in indexed)
        data = zlib.compress(rows, 9)
        if len(frames) > 1:
            place = (right - left, bottom - top, left, top)
            control = struct.pack(">IIIIIHHBB", sequence, *place, frame.milliseconds, 1000, 0, 0)
            parts.append(_part(b"fcTL", control))
            sequence += 1
        if before is None:
            parts.append(_part(b"IDAT", data))
        else:
            parts.append(_part(b"fdAT", struct.pack(">I", sequence) + data))
            sequence += 1
        before = frame.pixels
    parts.append(_part(b"IEND", b""))
    size = path.write_bytes(b"".join(parts))
    print(f"{path.relative_to(ROOT)}: {size:,} bytes, {len(frames)} frames")
    if size > LIMIT:
        raise SystemExit(f"{path.name} is larger than {LIMIT:,} bytes")


def _part(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG: length, kind, data, checksum (PNG, 5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _changed(before: Pixels | None, after: Pixels) -> tuple[int, int, int, int]:
    """The smallest rectangle that holds all changes: top, bottom, left, right."""
    if before is None:
        return 0, after.shape[0], 0, after.shape[1]
    rows, columns = np.nonzero(before != after)
    if not len(rows):
        return 0, 1, 0, 1
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


def _palette(frames: list[Frame]) -> Pixels:
    """The most frequent colours of all frames."""
    every, counts = np.unique(np.stack([frame.pixels for frame in frames]), return_counts=True)
    return every[np.argsort(-counts, kind="stable")[:COLOURS]]


def _indexed(pixels: Pixels, palette: Pixels) -> NDArray[np.uint8]:
    """For each pixel, the position of the nearest colour of the palette."""
    colours, inverse = np.unique(pixels, return_inverse=True)
    distance = np.abs(_channels(colours)[:, None] - _channels(palette)[None]).sum(axis=2)
    return distance.argmin(axis=1).astype(np.uint8)[inverse].reshape(pixels.shape)


def _channels(colours: Pixels) -> NDArray[np.int32]:
    return np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255], 1).astype(np.int32)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
