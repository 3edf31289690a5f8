"""The command line of `ingest.py`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from rag import VERSION
from sites import GENERATORS
from sites.time_limit import PAGE_SECONDS

USAGE = """\
Index a book, so that `python router.py` can answer questions about it.

Run it again after each edit: only what changed is embedded. The service may run
meanwhile; it serves the old index until the new one is complete.

  ingest.py docs                             a folder of Markdown; here the handbook
  ingest.py https://my-book.vercel.app/docs/ a live site
  ingest.py docs --dry-run                   show what would be embedded, and its cost
  ingest.py docs --max-cost 0.50             stop if embedding costs more than 50 cents
  ingest.py docs --verify build --strict     index only if no link is dead
"""


def use_utf8() -> None:
    """Restart the command in Python's UTF-8 mode if the locale has another encoding.

    Names of files are UTF-8 almost everywhere, whatever the locale. The output keeps its encoding.
    """
    if sys.getfilesystemencoding() != "utf-8" and "utf8" not in sys._xoptions:
        os.environ.setdefault("PYTHONIOENCODING", getattr(sys.stdout, "encoding", "utf-8"))
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments, or exit with status 2 and a sentence."""
    parser = argparse.ArgumentParser(
        prog="ingest.py",
        usage="%(prog)s [options] SOURCE",
        description=USAGE,
        epilog="Exit status: 0 done, 1 nothing could be done or links are dead, 2 wrong usage, "
        "130 interrupted.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="a folder or file of Markdown or HTML, or the address of a live site",
    )
    add(
        "--generator",
        choices=GENERATORS,
        default="auto",
        help="what builds the site; recognised if not given",
    )
    add("--base-path", metavar="PATH", help="path of the book on its site, such as docs")
    add(
        "--root",
        metavar="FOLDER",
        help="folder around SOURCE that links, includes and the configuration may lead to, "
        "such as the repository; else the site's own folder",
    )
    add(
        "--language",
        metavar="TAG",
        help="index only the pages in this language, such as en, of a folder or site in several",
    )
    add("--dry-run", action="store_true", help="show what would be embedded; change nothing")
    add(
        "--max-cost",
        type=float,
        metavar="DOLLARS",
        help="stop before paying if embedding would cost more",
    )
    add("--verify", metavar="SITE", help="check all links against a built site or an address")
    add(
        "--strict",
        action="store_true",
        help="change nothing if something was not read, or with --verify a link is dead",
    )
    add(
        "--max-pages",
        type=int,
        default=5_000,
        metavar="N",
        help="read at most N pages of a live site (default: %(default)s)",
    )
    add(
        "--page-seconds",
        type=float,
        default=PAGE_SECONDS,
        metavar="S",
        help="skip a page whose parsing takes more CPU time (default: %(default)g)",
    )
    add("--allow-private", action="store_true", help="also read sites on this machine or network")
    add("--quiet", action="store_true", help="print problems only")
    add("--version", action="version", version=f"Ask the Book {VERSION}")
    options = parser.parse_args(arguments)
    if options.source is None and not options.verify:
        parser.error("name the book to index, or the site to --verify the index against")
    if options.max_pages < 1:
        parser.error("--max-pages must be 1 or more")
    if not 0.01 <= options.page_seconds <= 86_400:
        parser.error("--page-seconds must be between 0.01 and 86,400")
    if options.max_cost is not None and not 0 <= options.max_cost < float("inf"):
        parser.error("--max-cost must be 0 or more dollars")
    return options
