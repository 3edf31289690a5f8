"""An answer in one Markdown fence, whole and in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answering.outer_fence import MAX_HELD, OuterFence

UNWRAPPED = {
    "```markdown\nSend `DELETE` [2].\n```": "Send `DELETE` [2].\n",
    "```md\n- One [1].\n- Two [2].\n```\n": "- One [1].\n- Two [2].\n",
    "\n\n```Markdown \r\nOne [1].\r\n```": "One [1].\r\n",
    "```\nPress the bin [1].\n```": "Press the bin [1].\n",
    "~~~text\nPress the bin [Passage 1].\n~~~\n\n": "Press the bin [Passage 1].\n",
    "\ufeff````markdown\nRun [1]:\n\n```bash\nmake\n```\n\nThen [2].\n````": (
        "Run [1]:\n\n```bash\nmake\n```\n\nThen [2].\n"
    ),
    "```markdown\nRun [1]:\n```bash\nmake\n```\nThen [2].\n```": (
        "Run [1]:\n```bash\nmake\n```\nThen [2].\n"
    ),
    "```markdown\nRun [1]:\n```\nmake\n```\nThen [2].\n```": (
        "Run [1]:\n```\nmake\n```\nThen [2].\n"
    ),
    "```markdown\nCut off [1] and": "Cut off [1] and",
    "```markdown\nThe book does not say that.\n```": "The book does not say that.\n",
    "```markdown\n【1】 says so.\n```\n\n": "【1】 says so.\n",
}
KEPT = [
    "",
    " \n",
    "Send `DELETE` [2].",
    "```bash\nmake [1]\n```",
    "```\nnpm install\n```",
    "```\nnpm install\n```\nRun this [1].",
    "```\nx = a[1]\n```\n",
    "```python\nprint(1)\n```\nPrints [1].",
    "Here it is [1]:\n```markdown\n# Title [1]\n```",
    "```\n`[1]` is a marker\n```",
    "`code` does it [1].",
    "```` is a fence [1].",
    "~~gone~~ [1]",
    "```text\n" + "row\n" * MAX_HELD + "```\nSee [1].",
    "```markdown\n| a |\n|---|\n```\nmakes a table [1].",
]


def unwrapped(pieces: list[str]) -> str:
    fence = OuterFence()
    return "".join([*map(fence.feed, pieces), fence.flush()])


@pytest.mark.parametrize("answer", [*UNWRAPPED, *KEPT])
def test_a_fence_around_the_whole_answer_is_removed(answer: str) -> None:
    expected = UNWRAPPED.get(answer, answer)
    assert unwrapped([answer]) == expected
    assert unwrapped(list(answer)) == expected
    for at in range(len(answer) if len(answer) < 200 else 0):
        assert unwrapped([answer[:at], answer[at:]]) == expected


def test_text_is_released_once_a_citation_is_seen() -> None:
    fence = OuterFence()
    assert fence.feed("```markdown\nSend DELETE [") == ""
    assert fence.feed("2].\nThen") == "Send DELETE [2].\nThen"
    assert fence.feed(" wait.\n``") == " wait.\n"
    assert fence.feed("`\n") == ""
    assert fence.flush() == ""


@given(st.lists(st.sampled_from([*"`~[1]\n ax", "```", "```md\n", "[1]", "\n```\n"])))
def test_the_result_does_not_depend_on_the_pieces(pieces: list[str]) -> None:
    whole = "".join(pieces)
    assert unwrapped(pieces) == unwrapped([whole]) == unwrapped(list(whole))
    if not whole.lstrip().startswith(("```", "~~~")):
        assert unwrapped(pieces) == whole
