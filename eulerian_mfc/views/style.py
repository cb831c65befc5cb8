"""The common style of all figures: colours, labels, legends."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from .._names import label_texts
from ..results.solution_data import SolutionData

#: M. Okabe and K. Ito's palette, which colour-blind readers can distinguish, without black and yellow
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
#: white to middle grey, so that coloured lines stay visible where the density is largest
DENSITY_MAP = ListedColormap(mpl.colormaps["Greys"](np.linspace(0.0, 0.7, 256)))
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
}


def label_colours(solution: SolutionData) -> tuple[np.ndarray, list[str], np.ndarray]:
    """`(index of the colour of every path, legend of each colour, the labels)`: at most as many as the palette has colours."""
    y = solution.paths.y
    found = np.unique(y, axis=0) if solution.labels is None else solution.labels
    if len(found) > len(PALETTE):
        return np.zeros(len(y), dtype=int), ["trajectories"], found[:0]
    index = np.abs(y[:, None, :] - found).max(axis=2).argmin(axis=1)
    return index, [f"y = {text}" for text in texts_of(found)], found


def texts_of(labels: np.ndarray) -> list[str]:
    """The texts of labels `(K, q)` in legends: numbers, or rows of numbers."""
    texts = [text.replace(",", ", ") for text in label_texts(labels)]
    return texts if labels.shape[1] == 1 else [f"({text})" for text in texts]


def symbol(name: str) -> str:
    """`W12` as a mathematical symbol; other names are unchanged."""
    if name == "W" or name == "b":
        return f"${name}$"
    stem, digits = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :]
    symbols = {"W": "W", "b": "b", "u": "u", "theta": r"\theta"}
    return f"${symbols[stem]}_{{{digits}}}$" if stem in symbols and digits else name


def legend(axes: Axes, title: str | None, outside: bool = False) -> None:
    """The legend of axes that have labelled lines, beside the axes if `outside`."""
    if axes.get_legend_handles_labels()[0]:
        place = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)} if outside else {"loc": "best"}
        frame = {"frameon": not outside, "framealpha": 0.85, "edgecolor": "none"}
        axes.legend(title=title, fontsize=9, **place, **frame)
