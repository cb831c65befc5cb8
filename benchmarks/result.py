"""Tables as Markdown for the docs and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import textwrap
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .peers import versions

FOLDER = Path(__file__).with_name("results")
WIDTH = 120  # of the lines of captions and notes
IMAGES = Path(__file__).parents[1] / "docs" / "images"


@dataclass(frozen=True)
class Table:
    """A caption, columns `name -> format` and rows of raw values; text passes as it is, None is a dash."""

    caption: str
    columns: dict[str, str]
    rows: list[tuple[Any, ...]]
    notes: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} values, expected {len(self.columns)}: {row}")

    def markdown(self) -> str:
        lines = [
            _fill(self.caption),
            "",
            f"| {' | '.join(self.columns)} |",
            "|" + "---|" * len(self.columns),
        ]
        lines += [f"| {' | '.join(map(_cell, row, self.columns.values()))} |" for row in self.rows]
        return "\n".join(lines) + "\n" + (f"\n{_fill(self.notes)}\n" if self.notes else "")

    def record(self) -> dict[str, Any]:
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"caption": self.caption, "rows": rows, "notes": self.notes}


def _fill(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)


def _cell(value: Any, form: str) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else format(value, form)


def machine() -> dict[str, Any]:
    """What the numbers depend on besides this package."""
    packages = {name: version(name) for name in ("eulerian-mfc", "numpy", "scipy", "numba")}
    return {
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "packages": packages | versions(),
    }


def write(name: str, tables: list[Table], folder: Path = FOLDER) -> str:
    """`NAME.md` and `NAME.json`; returns the Markdown."""
    folder.mkdir(exist_ok=True)
    text = "\n".join(table.markdown() for table in tables)
    (folder / f"{name}.md").write_text(text)
    record = {"machine": machine(), "tables": [table.record() for table in tables]}
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    return text
