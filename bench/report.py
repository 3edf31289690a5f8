"""Format results as a table and a JSON line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure with its reference."""

    what: str
    value: float
    unit: str = "ms"
    against: str = ""
    """Name of the reference."""
    reference: float | None = None
    goal: float | None = None
    """The highest acceptable ratio or, without a reference, value."""

    @property
    def ratio(self) -> float | None:
        return self.value / self.reference if self.reference else None

    @property
    def met(self) -> bool | None:
        judged = self.value if self.reference is None else self.ratio
        return None if self.goal is None or judged is None else judged <= self.goal


def table(rows: Sequence[Row]) -> str:
    lines = ["| ratio | goal | | what | value | reference | reference value |", "|" + "---|" * 7]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        goal = "" if row.goal is None else f"≤ {row.goal:g}"
        met = {True: "✓", False: "✗", None: ""}[row.met]
        other = "" if row.reference is None else f"{_short(row.reference)} {row.unit}"
        value = f"{_short(row.value)} {row.unit}"
        lines.append(
            f"| {ratio} | {goal} | {met} | {row.what} | {value} | {row.against} | {other} |"
        )
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def json_line(results: dict[str, list[Row]]) -> str:
    return json.dumps(
        {
            name: [asdict(row) | {"ratio": row.ratio, "met": row.met} for row in rows]
            for name, rows in results.items()
        },
        ensure_ascii=False,
    )
