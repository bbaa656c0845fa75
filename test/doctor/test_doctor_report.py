"""The report of `./reacher doctor`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import pytest

from franka_reacher_rl import cli
from franka_reacher_rl.doctor import report
from franka_reacher_rl.doctor.finding import Finding, failure, ok, warning


def fine() -> Iterator[Finding]:
    yield ok("fine", "all is well")


def poor() -> Iterator[Finding]:
    yield warning("poor", "it is slow", "make it faster")


def bad() -> Iterator[Finding]:
    yield failure("bad", "it is missing", "install it")


def broken() -> Iterator[Finding]:
    yield ok("broken", "the first half")
    raise KeyError("x")


def run(monkeypatch: pytest.MonkeyPatch, json_wanted: bool, **checks: Any) -> int:
    monkeypatch.setattr(report, "checks", lambda options: checks)
    return report.run(argparse.Namespace(json=json_wanted))


def test_each_finding_is_a_line_with_its_remedy(monkeypatch: Any, capsys: Any) -> None:
    assert run(monkeypatch, False, fine=fine, poor=poor) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["OK", "fine", "all", "is", "well"]
    assert lines[1].startswith("warning  poor") and lines[2].strip() == "-> make it faster"
    assert lines[-1] == "0 failures, 1 warnings, 1 checks passed"


def test_a_failure_gives_an_exit_code(monkeypatch: Any, capsys: Any) -> None:
    assert run(monkeypatch, False, bad=bad, fine=fine) == 1
    assert "FAILURE" in capsys.readouterr().out


def test_a_check_that_breaks_off_is_a_failure_and_the_others_go_on(monkeypatch: Any, capsys: Any) -> None:
    assert run(monkeypatch, False, broken=broken, fine=fine) == 1
    text = capsys.readouterr().out
    assert "the check broke off: KeyError: 'x'" in text and "all is well" in text


def test_json(monkeypatch: Any, capsys: Any) -> None:
    assert run(monkeypatch, True, poor=poor, fine=fine) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "poor", "level": "warning", "text": "it is slow", "remedy": "make it faster"},
        {"name": "fine", "level": "OK", "text": "all is well", "remedy": ""},
    ]


def test_a_misspelt_robot_is_a_mistake_and_no_finding(capsys: Any) -> None:
    assert cli.main(["doctor", "--robot", "pandax"]) == cli.EXIT_USAGE
    printed = capsys.readouterr()
    assert "no robot 'pandax'" in printed.err and printed.out == ""
