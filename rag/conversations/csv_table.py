"""Write CSV for spreadsheets, protected against formula injection.

The format is RFC 4180 with all cells quoted and a byte order mark, so that Excel detects UTF-8.
Text that a spreadsheet would evaluate is prefixed with an apostrophe
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠\t\r\n]")


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a header line and one line per row, or "" if there are no rows.

    Lists are joined into one cell.
    """
    if not rows:
        return ""
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return "\ufeff" + file.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = " | ".join(map(str, value))
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str):
        return f"'{value}" if _FORMULA.match(value) else value
    return "" if value is None else str(value)
