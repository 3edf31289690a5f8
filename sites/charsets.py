"""Decode the bytes of an HTML page as browsers do: https://encoding.spec.whatwg.org."""

from __future__ import annotations

import codecs
import re

_NAME = r"\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w:.-]{1,40})"
_NAMED = re.compile(f"charset{_NAME}", re.IGNORECASE)
_DECLARED = re.compile(
    f"<(?:meta|\\?xml)\\b[^>]{{0,200}}?(?:charset|encoding){_NAME}".encode(), re.I
)
_DECLARATION_BYTES = 2048
"""A page declares its charset within these."""
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"),
          (codecs.BOM_UTF16_BE, "utf-16-be"))  # fmt: skip
_SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""Browsers read pages that declare the first as the second, which has more characters."""
_ALIASES = {"windows-31j": "cp932", "windows-874": "cp874", "windows-949": "cp949"}
"""Names that Python does not know."""
_REFUSED = frozenset({"punycode", "idna"})
"""No page is written in them, and decoding takes the square of its length."""


def decode_html(data: bytes, content_type: str = "", default: str = "cp1252") -> str:
    """Return a page's text. `default` is the charset of one that declares none and is not UTF-8."""
    for mark, charset in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(charset, errors="replace")
    charset = ""
    if named := _NAMED.search(content_type):
        charset = _known(named[1])
    elif inside := _DECLARED.search(data[:_DECLARATION_BYTES]):
        charset = _known(inside[1].decode("ascii", errors="replace"))
        charset = "utf-8" if charset.startswith("utf-16") else charset  # it was read as ASCII
    if not charset:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            charset = default
    try:
        return data.decode(charset, errors="replace")
    except (LookupError, UnicodeError):  # such as `rot13`, which does not decode bytes
        return data.decode("utf-8", errors="replace")


def _known(name: str) -> str:
    """Return the charset that browsers use for a name, or "" if there is none."""
    name = name.lower()
    try:
        found = codecs.lookup(_ALIASES.get(name, name.removeprefix("x-"))).name
    except LookupError:
        return ""
    return "" if found in _REFUSED else _SUPERSETS.get(found, found)
