"""Sphinx: the documentation site, built offline; any warning is an error (make docs)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from docutils import nodes  # noqa: E402
from docutils.utils.math.latex2mathml import tex2mathml  # noqa: E402
from generate import write_pages  # noqa: E402

import b2m_encoding  # noqa: E402

project = "b2m_encoding"
author = "The b2m_encoding developers"
copyright = "the b2m_encoding developers; code BSD-3-Clause"
version = release = b2m_encoding.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "html_image"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "outputs", "**.ipynb"]
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_use_param = False
autodoc_preserve_defaults = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_mock_imports = ["magenta_rt"]
suppress_warnings = ["ref.python"]  # words of a shape, such as n_targets, are no references

html_theme = "furo"
html_title = f"b2m_encoding {release}"
html_static_path: list[str] = []
html_show_sphinx = False
html_math_renderer = "mathml"


def _formula(writer: Any, node: Any) -> None:
    """A formula as MathML, which browsers show without a script."""
    block = isinstance(node, nodes.math_block)
    formula = tex2mathml(node.astext(), as_block=block)
    writer.body.append(f"<div class='math'>{formula}</div>" if block else formula)
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Write the pages that are made from the code before anything is read."""
    app.add_html_math_renderer("mathml", (_formula, None), (_formula, None))
    app.connect("builder-inited", lambda _: write_pages(HERE))
