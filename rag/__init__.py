"""Ask the Book: answers questions about a book, with citations."""

VERSION = "0.1.0"
