"""The report of the tests says how many cases were compared with torch."""

from __future__ import annotations

import pytest

from tests.torch.beside import COMPARED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if COMPARED:
        cases = ", ".join(f"{name} {count}" for name, count in sorted(COMPARED.items()))
        terminalreporter.write_line(f"compared with torch, cases: {cases}")
