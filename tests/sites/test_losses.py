"""What is lost is counted and named, once, in a line for each kind."""

from __future__ import annotations

from sites.losses import Losses


def test_a_line_for_each_kind() -> None:
    losses = Losses()
    for number in range(7):
        losses.add("imports could not be found", f"p{number}.md", f"./_{number}.md")
    for _ in range(2):
        losses.add("pages are empty", "a.md")
    assert len(losses) == 8
    assert losses.lines() == [
        (
            "p0.md",
            "7 imports could not be found: p0.md: ./_0.md; p1.md: ./_1.md; p2.md: ./_2.md; "
            "p3.md: ./_3.md; p4.md: ./_4.md and 2 more.",
        ),
        ("a.md", "1 page is empty: a.md."),
    ]


def test_details_are_short() -> None:
    losses = Losses()
    losses.add("expressions are computed", "a.md:3", "{\n  list.map(" + "x" * 500)
    (line,) = [sentence for _, sentence in losses.lines()]
    assert line.startswith("1 expression is computed: a.md:3: { list.map(xxx")
    assert len(line) < 150
