"""Make untrusted text harmless to the chat model.

The counterpart for what the model writes is `rag/adapters/chat_model/thinking.py`.
"""

from __future__ import annotations

import re

from rag.language.visible import visible

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")
_CHAT_TOKEN = re.compile(
    r"<(?=[|｜]|turn\||/?SYS>>|/?(?:s|bos|eos|pad|unk|mask|sep|cls|sop|eop|eo[ahmsu]|role|think"
    r"|seed:\w{1,30}|(?:begin|start|end)_of_\w{1,30}|turn\||SPECIAL_\d{1,5}"
    r"|(?:im|fim|tool|function|message|reserved|extra|unused)_?\w{1,30})>)"
    r"|\[(?=/?(?:INST|[A-Z]{2,20}_(?:PROMPT|TOOLS|CALLS|RESULTS|CONTENT|ID)|g?MASK|IMG\w{0,10}"
    r"|ARGS|THINK|BOS|EOS|CLS|SEP|PAD|UNK)\])"
    r"|\](?=~!?b)|\[(?=e~\[)|<(?=\[\w{1,30}\]>)|◁(?=/?\w{1,20}▷)",
    re.IGNORECASE,
)
"""Tokens of chat templates. Some servers interpret them anywhere in a text."""


def neutralize(text: str) -> str:
    """Remove invisible characters and break up chat template tokens.

    Only the model sees the result. Readers see the text as it was written.
    """
    return _CHAT_TOKEN.sub(lambda found: found[0] + " ", visible(_CONTROL.sub(" ", text)))
