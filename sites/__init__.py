"""Read documentation sites, from a folder or over HTTP, into pages with anchors."""

from sites.book import GENERATORS, name_of, read_book, read_path
from sites.languages import in_language
from sites.report import Problem
from sites.source import Book, is_address

__all__ = [
    "GENERATORS",
    "Book",
    "Problem",
    "in_language",
    "is_address",
    "name_of",
    "read_book",
    "read_path",
]
