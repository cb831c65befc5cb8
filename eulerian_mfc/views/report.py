"""A self-contained HTML page of a solution: problem, numbers, figures, certificate."""

from __future__ import annotations

import base64
import io
import os
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from ..files.atomic import make_folder, together
from ..results.certificate import Certificate
from ..results.solution_data import SolutionData
from ..results.stability import AT_KINK
from .error_section import error_section

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def html(solution: SolutionData, figures: dict[str, bytes], title: str, case: str = "", analyse: bool = True) -> str:
    """The page as text.

    Parameters
    ----------
    solution : the solution.
    figures : PNG files by name.
    title : the title of the page.
    case : text of the case's file, shown at the end.
    analyse : whether to analyse second-order optimality if this has not been done; if not, the page says so.
    """
    template = Template(files("eulerian_mfc.views").joinpath("report.html").read_text(encoding="utf-8"))
    numbers = [
        ("cost J", f"{solution.cost:.12g}"),
        ("terminal part", f"{solution.terminal_cost:.12g}"),
        ("penalty part", f"{solution.penalty_cost:.12g}"),
        *([("running part", f"{solution.running_cost:.12g}")] if solution.running_cost else []),
        ("optimality residual", f"{solution.residual:.3e}"),
        ("iterations", str(max(len(solution.history) - 1, 0))),
        ("sweeps through the layers", str(solution.history[-1].sweeps if solution.history else 0)),
    ]
    pictures = [
        f'<figure><img alt="{escape(text)}" src="data:image/png;base64,{base64.b64encode(figures[name]).decode()}">'
        f"<figcaption>{escape(text)}</figcaption></figure>"
        for name, text in _captions(solution).items()
        if name in figures
    ]
    return template.substitute(
        title=escape(title),
        verdict_class="converged" if solution.converged else "unconverged",
        verdict="Converged" if solution.converged else "NOT converged",
        message="".join(f"<p>{escape(sentence)}</p>" for sentence in solution.verdict(analyse)),
        error=error_section(solution.error),
        numbers="".join(f'<tr><th>{k}</th><td class="number">{v}</td></tr>' for k, v in numbers),
        figures="\n".join(pictures),
        certificate="".join(
            f'<tr><td>{escape(name)}</td><td class="number">{value}</td><td>{escape(meaning)}</td></tr>'
            for name, value, meaning in _certificate(solution, analyse).rows()
        ),
        description="".join(
            f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in solution.description.items() if k != "case"
        ),
        case=f"<h2>Case</h2><pre>{escape(case)}</pre>" if case else "",
    )


def write(
    solution: SolutionData, folder: str | os.PathLike[str], title: str, case: str = "", analyse: bool = True
) -> None:
    """Write the figures as PNG files (in the plane with the flow of a grid), and `report.html`, into `folder`.

    Either all files are written or none. `title`, `case` and `analyse` are as in `html`.

    Raises
    ------
    StorageError
        If a file cannot be written; earlier files stay intact.
    """
    from .figures import figures

    target = make_folder("folder", folder)
    drawn = {name: png(figure) for name, figure in figures(solution).items()}
    with together() as put:
        for name, picture in drawn.items():
            put(target / f"{name}.png", picture)
        put(target / "report.html", html(solution, drawn, title, case, analyse).encode())


def _captions(solution: SolutionData) -> dict[str, str]:
    """The captions of all figures that a solution may have, in the order of the page."""
    rounds = solution.tolerance_rounds
    return {
        "density": "Density of the states over time (grey), and characteristics (coloured by label if there are few labels).",
        "terminal": "Density at the final time against the labels.",
        "flow": "Inputs with the regions that are assigned to each label, and the image of a grid under the flow (first "
        "two coordinates).",
        "control": _of_the_control(solution),
        "convergence": f"Cost and optimality residual over the iterations{' of the last round' if rounds else ''}.",
        "rounds": "Rounds of the solve to the tolerance: the estimated error of the cost against the time. Rounds without a "
        "mesh estimate the error of layers and degree, rounds on the mesh that of everything. Numbers beside the points: "
        "unknowns of the control, and the cells of the mesh.",
    }


def _of_the_control(solution: SolutionData) -> str:
    """The caption of the figure of the control."""
    curves = solution.numerics.curves
    if curves.degree == 0:
        return "The control, constant on every layer."
    return (
        f"The control, a polynomial of degree {curves.degree} in time on every layer. It may jump where a layer ends; "
        "lines mark these times."
    )


def _certificate(solution: SolutionData, analyse: bool) -> Certificate:
    """The certificate, with dashes for second-order results that are not computed."""
    if analyse or solution.analysed or solution.kink is not None:
        return solution.certificate
    return Certificate.of(solution.checks, AT_KINK)


def png(figure: Figure) -> bytes:
    """The content of a PNG file of a figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()
