"""Measure the time from a click until the panel is painted.

python -m tests.browser.first_paint

Measured from the click event's timestamp to the frame after the one that drew the panel (two
animation frames later), so the result is too high by up to one frame. Each of 20 runs uses a
new page. Use the median: the maximum depends on the machine's load.
"""

from __future__ import annotations

import json
import shutil
import statistics

from playwright.sync_api import sync_playwright

from tests.browser.conftest import DESKTOP, FLAGS, PHONE, Site
from tests.browser.fake import Fake, serve

MEASURE = """() => new Promise(done => {
  const launcher = document.querySelector('ask-the-book').shadowRoot.querySelector('.launcher');
  launcher.addEventListener('click', event => requestAnimationFrame(() =>
    requestAnimationFrame(() => done(performance.now() - event.timeStamp))));
  launcher.click();
})"""
RUNS = 20


def main() -> None:
    fake, site = Fake(), Site()
    result = {}
    with serve(fake.app()) as fake.url, serve(site) as site.url, sync_playwright() as playwright:
        site.host = fake.url
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=FLAGS
        )
        for name, device in (("desktop", DESKTOP), ("phone", PHONE)):
            times = []
            for _ in range(RUNS):
                context = browser.new_context(**device)
                page = context.new_page()
                page.goto(site.url)
                page.locator(".launcher").wait_for()
                times.append(page.evaluate(MEASURE))
                context.close()
            result[name] = {"median_ms": statistics.median(times), "max_ms": max(times)}
        browser.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
