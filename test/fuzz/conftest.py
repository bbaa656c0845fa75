"""The option that sets how long the fuzz tests run, and the check that they leave no memory behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import fuzzing
import pytest

MOST_GROWTH = 300e6  # bytes of a module's tests
MOST_PEAK = 1.5e9  # bytes that one of them may need for a moment


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-cases", type=int, default=fuzzing.SHORT, help="cases of a fuzz test of weight 1")


def pytest_configure(config: pytest.Config) -> None:
    fuzzing.cases = config.getoption("--fuzz-cases", fuzzing.SHORT)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    whole = fuzzing.cases >= fuzzing.LONG and not (session.config.option.keyword or session.config.option.collectonly)
    if whole and session.testsfailed == 0 and fuzzing.total < fuzzing.LEAST:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if fuzzing.total:
        terminalreporter.write_line(f"{fuzzing.total} fuzz cases, the same in every run")


def memory(name: str) -> int:
    """A value of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)


@pytest.fixture(scope="module", autouse=True)
def bounded_memory() -> Iterator[None]:
    """Fails after tests that leave this process larger than before, or that needed much memory for a moment."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
    before = memory("VmRSS")
    yield
    gc.collect()
    assert memory("VmRSS") - before < MOST_GROWTH
    assert memory("VmHWM") - before < MOST_PEAK
