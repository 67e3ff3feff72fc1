"""All benchmarks, one after another in one process.

python benchmarks [--quick] [--json FILE]
"""

from __future__ import annotations

import compiling
import dropins
import importing
import nesting
import recording
import stepping
import tables
from report import main

main(
    __doc__,
    [
        ("One step", stepping.rows),
        ("A compiled train step", compiling.rows),
        ("Tables", tables.rows),
        ("Nesting", nesting.rows),
        ("Imports", importing.rows),
        ("One step of a drop-in", dropins.rows),
        ("Recording", recording.rows),
    ],
)
