"""Configuration of the documentation, for Sphinx."""

from importlib.metadata import version as installed

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
nb_execution_raise_on_error = True

html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
html_show_sourcelink = False
