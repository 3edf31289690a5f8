"""The scenarios, in the order of a run. Each module has `run(bench) -> rows` and explains
its figures; `make bench ONLY=cold,overhead` runs some of them."""

NAMES = (
    "cold",
    "overhead",
    "streaming",
    "assistants",
    "concurrency",
    "crowd",
    "growth",
    "index",
    "ingest",
    "functions",
    "size",
)
ON_REQUEST = ("cost", "questions")
"""Scenarios that need question sets and run only if they are named."""
