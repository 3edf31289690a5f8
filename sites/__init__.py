"""Readers of documentation sites: a folder to pages with titles, slugs and anchors."""

from sites.book import GENERATORS, read_book
from sites.files import Problem
from sites.source import Book

__all__ = ["GENERATORS", "Book", "Problem", "read_book"]
