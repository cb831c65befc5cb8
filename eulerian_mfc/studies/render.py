"""Tables of a study: terminal, Markdown, LaTeX, comma-separated."""

from __future__ import annotations

import csv
import io

import numpy as np

from .._names import apart
from .orders import Fit
from .store import Value
from .study_data import StudyData

NONE = "-"


def _columns(study: StudyData) -> list[tuple[str, str, list[Value], int | None]]:
    """(name, heading, values, digits) of each column; observed orders (digits None) follow their errors."""
    out: list[tuple[str, str, list[Value], int | None]] = []
    errors = {e.name for e in study.errors}
    for column in study.columns:
        heading = f"{column.name} [{column.unit}]" if column.unit else column.name
        out.append((column.name, heading, [r.get(column.name) for r in study.records], column.digits))
        if column.name in errors:
            out.append(("", "order", list(study.orders(column.name)), None))
    return out


def _cell(value: Value, digits: int | None) -> str:
    if value is None or value != value:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.2f}" if digits is None else f"{value:.{digits}g}"
    return str(value)


def _grid(study: StudyData) -> tuple[list[str], list[list[str]]]:
    columns = _columns(study)
    # Columns that identify the rows have enough digits to distinguish them.
    told = {study.parameter, *study.details.get("vary", ())}
    rows = zip(
        *(
            _apart(values, digits) if column in told else [_cell(v, digits) for v in values]
            for column, _, values, digits in columns
        ),
        strict=True,
    )
    return [heading for _, heading, _, _ in columns], [list(row) for row in rows]


def _apart(values: list[Value], digits: int | None) -> list[str]:
    """The cells of a column, whose numbers have enough digits to be distinguished."""
    numbers = [v for v in values if isinstance(v, float) and v == v]
    texts = iter(apart(numbers, digits or 6))
    return [next(texts) if isinstance(v, float) and v == v else _cell(v, digits) for v in values]


def statements(study: StudyData) -> list[str]:
    """Sentences about the columns, the reference of the errors, observed and predicted orders, notes and failures."""
    out = []
    for e in study.errors:
        text = f"{e.name}: against {e.against}"
        if study.fitted_points(e.name) >= 2:
            fit: Fit = study.fit(e.name)
            # Without an interval, the text of the order says how many points it uses.
            level = f", {fit.level:.0%} confidence, {fit.points} points" if np.isfinite(fit.low) else ""
            out.append(f"{text}; fitted order {fit}{level}")
        else:
            out.append(f"{text}; too few errors are above {e.floor:.1e}, the accuracy of the runs, to fit an order")
        if e.theory:
            out[-1] += f"; theory: {e.theory}"
    out += study.notes
    out += [f"failed: {f['label']}: {f['error'].splitlines()[0]}" for f in study.failures]
    return out


def legend(study: StudyData) -> list[str]:
    return [f"{c.name}: {c.meaning}" + (f" [{c.unit}]" if c.unit else "") for c in study.columns]


def terminal(study: StudyData) -> str:
    headings, rows = _grid(study)
    widths = [max(len(row[k]) for row in [headings, *rows]) for k in range(len(headings))]
    line = lambda row: "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True))  # noqa: E731
    return "\n".join([study.title, "", line(headings), *map(line, rows), "", *statements(study)])


def markdown(study: StudyData) -> str:
    headings, rows = _grid(study)
    clean = lambda row: "| " + " | ".join(c.replace("|", r"\|") for c in row) + " |"  # noqa: E731
    text = [f"{study.title}:", "", clean(headings), "|---" * len(headings) + "|", *map(clean, rows), ""]
    return "\n".join([*text, *(f"* {s}" for s in statements(study))]) + "\n"


_LATEX = str.maketrans(
    {"&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "$": r"\$", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
     "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
)  # fmt: skip


def latex(study: StudyData) -> str:
    headings, rows = _grid(study)
    line = lambda row: " & ".join(_number(c) for c in row) + r" \\"  # noqa: E731
    return "\n".join(
        [
            f"% {study.title}",
            *(f"% {s}" for s in [*legend(study), *statements(study)]),
            r"\begin{tabular}{" + "r" * len(headings) + "}",
            r"\toprule",
            line(headings),
            r"\midrule",
            *map(line, rows),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _number(text: str) -> str:
    """`1.2e-05` as `$1.2\\cdot10^{-5}$`; other text with LaTeX's special characters escaped."""
    mantissa, e, exponent = text.partition("e")
    try:
        float(text)
    except ValueError:
        return text.translate(_LATEX)
    return rf"${mantissa}\cdot10^{{{int(exponent)}}}$" if e else f"${text}$"


def comma_separated(study: StudyData) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = _columns(study)
    names: list[str] = []
    for _, heading, _, digits in columns:
        names.append(f"order of {names[-1]}" if digits is None else heading)
    writer.writerow(names)
    for row in zip(*(values for _, _, values, _ in columns), strict=True):
        writer.writerow(["" if v is None else repr(v) if isinstance(v, float) else v for v in row])
    return out.getvalue()
