"""Configuration of the documentation, for Sphinx."""

import inspect
import os
import sys
from importlib.metadata import version as installed
from typing import Any

project = "kanlens"
author = "kanlens authors"
copyright = "2026, kanlens authors"
version = release = installed("kanlens")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
templates_path = ["_templates"]
default_role = "code"

autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints = "signature"
napoleon_google_docstring = False
napoleon_custom_sections = ["Shapes"]
napoleon_use_ivar = True

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_raise_on_error = True
nb_execution_in_temp = True  # notebooks write files
nb_execution_timeout = 300
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])  # they call `kanlens`
os.environ.setdefault("OMP_NUM_THREADS", "1")  # on matrices of this size threads mostly wait for each other

html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
html_sidebars = {"benchmarks": [], "how-it-works": []}  # no pages below them, and tables want the width
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]


def setup(app: Any) -> None:
    app.connect("autodoc-skip-member", _is_borrowed)


def _is_borrowed(_app: Any, _what: str, _name: str, member: object, *_: object) -> bool | None:
    """Leave out functions of other libraries that a class holds: their pages have links that lead nowhere here."""
    home = getattr(member, "__module__", None) or ""
    return True if inspect.isroutine(member) and not home.startswith("kanlens") else None
