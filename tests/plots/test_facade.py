"""The names that the package offers, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import etude.plots


def test_the_public_names() -> None:
    assert etude.plots.__all__ == [
        "COLUMN",
        "SLIDE",
        "Chart",
        "Mark",
        "Rule",
        "Series",
        "Shade",
        "Unit",
        "check_path",
        "draw",
        "overlay",
        "save",
        "sparkline",
        "to_png",
        "to_svg",
        "to_text",
    ]
    assert all(hasattr(etude.plots, name) for name in etude.plots.__all__)


def test_importing_it_imports_no_drawing_library() -> None:
    program = "import sys, etude.plots; sys.exit(any(name.startswith('matplotlib') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", program], check=True)
