"""The faults of services that are tested and measured, by name."""

from __future__ import annotations

from tests.upstreams.openai import Reply

FAULTS: tuple[int | str, ...] = (
    *(401, 429, 500, 503),
    *("reset", "hang", "drip", "malformed", "shape", "cut", "empty"),
)
"""Faults of any service: a status, or a fault of `Service.fail`."""

BREAKS = {
    "stream cut": Reply("It begins [1] but", cut_after=3),
    "stream silent": Reply("It begins [1] but", hang_after=3),
    "junk in the stream": Reply("It begins [1] but", junk_after=3),
    "error in the stream": Reply("It begins [1] but", error_after=3),
    "no end of the stream": Reply("It begins [1] but", end_after=3),
    "empty stream": Reply(""),
    "refusal": Reply(refusal="I cannot help with that."),
    "length": Reply("It goes on and on [1]", finish_reason="length"),
}
"""Faults of the chat model after an answer has started."""
