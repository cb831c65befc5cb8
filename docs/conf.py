"""The site: `tox -e docs` builds it into docs/_build/html, with warnings as errors."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from eulerian_mfc import __version__

project, author, version, release = "eulerian_mfc", "the eulerian_mfc developers", __version__, __version__
project_copyright = "the eulerian_mfc developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_design", "mathml", "gallery"]
exclude_patterns = ["_build", "tables", "_generated/*.md", "**.ipynb_checkpoints"]
html_theme, html_title = "furo", "eulerian_mfc"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
# Tutorials are run while the site is built; an error in one ends the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # seconds a cell: only what hangs
nb_merge_streams = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
# What scikit-learn adds to its estimators by itself refers to its own site.
ROUTING = "set_fit_request,set_score_request"
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "exclude-members": f"__init__,__new__,{ROUTING}",
}
napoleon_use_ivar = True
napoleon_google_docstring = False
# Single backticks are code in the package's docstrings.
default_role = "code"


def one_by_one(lines):
    """Attributes that share an entry `a, b : meaning`, each with its own: napoleon does so for parameters only."""
    out, shared, title = [], [], ""
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        if re.fullmatch(r"-{3,}", following):
            title = line
        if not line.startswith(" ") or not line.strip():
            shared = []
        if title == "Attributes" and (entry := re.match(r"(\w+(?:, \w+)+) : (.*)", line)):
            shared = [[f"{name} : {entry[2]}"] for name in entry[1].split(", ")]
            out += shared
        elif shared:
            for entry in shared:
                entry.append(line)
        else:
            out.append([line])
    return [line for entry in out for line in entry]


def plain(app, what, name, obj, options, lines):
    """The docstrings' mathematics is plain text: `|` and `*` outside code are no markup, and indented blocks are literal.

    Nor is the initial of an author an item of a list.
    """
    lines[:] = one_by_one(lines)
    out, fresh, literal, listing = [], True, False, False
    for k, line in enumerate(lines):
        following = lines[k + 1] if k + 1 < len(lines) else ""
        if re.fullmatch(r"-{3,}", following):
            listing = line in ("Parameters", "Attributes")
        elif (
            listing and fresh and line.strip() and not line.startswith((" ", "-")) and not re.match(r"[\w, ]+ : ", line)
        ):
            out += ["Notes", "-----"]  # text that follows a list of arguments is none of them
            listing = False
        directive = line.lstrip().startswith((":", ".."))
        indented = line.startswith("    ")
        if line.strip() and indented and fresh and not literal and not directive:
            out += ["::", ""]
            literal = True
        if line.strip() and not indented:
            literal = False
        if not (literal or directive or line.lstrip().startswith(".. ")):
            pieces = re.split(r"(``[^`]*``|`[^`]*`)", line)
            bullet = "* " if line.startswith("* ") else ""
            pieces[0] = pieces[0].removeprefix(bullet)
            pieces[0] = re.sub(r"^(?=[A-Z]\. )", r"\\", pieces[0])
            line = bullet + "".join(p if p.startswith("`") else re.sub(r"(?<!\\)([|*])", r"\\\1", p) for p in pieces)
        if listing and (entry := re.match(r"([\w, ]+) : (.*)", line)):
            out += [entry[1], "    " + entry[2]]  # what follows the colon is what it means, not its type
        else:
            out.append(line)
        fresh = not line.strip()
    lines[:] = out


def setup(app):
    app.connect("autodoc-process-docstring", plain, priority=100)
