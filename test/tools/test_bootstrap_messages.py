"""The error messages of the set-up: what is missing, and what to do."""

from __future__ import annotations

import argparse
import errno
from pathlib import Path

import pytest

from bootstrap import cli, python_packages, system_packages
from bootstrap.problem import Problem
from franka_reacher_rl.cli import make_parser


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError': [Errno 111] Connection refused\n"
            "ERROR: No matching distribution found for torch==2.13.0",
            "No network",
        ),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for mujoco<5,>=4", "has no mujoco<5,>=4 for Python 3."),
        (
            "The user requested torch==2.13.0\n The user requested (constraint) torch==2.13.0\nResolutionImpossible",
            "has no torch==2.13.0",
        ),
        ("ERROR: ResolutionImpossible", "ResolutionImpossible"),
    ],
)
def test_pip_failures_are_explained(tmp_path: Path, output: str, message: str) -> None:
    log = tmp_path / "pip.log"
    log.write_text(output)
    explanation = python_packages.explain_pip(log)
    assert message in explanation
    assert str(log) in explanation


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("W: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease", "No network"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "disk is full"),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend.", "Another program"),
        ("E: Unable to locate package g++", "Unable to locate"),
    ],
)
def test_apt_failures_are_explained(tmp_path: Path, output: str, message: str) -> None:
    log = tmp_path / "apt.log"
    log.write_text(output)
    assert message in system_packages.explain_apt(log, ["g++"])


def test_missing_debian_packages_are_named_to_who_is_not_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_packages, "missing", lambda: {"g++": "to build", "libegl1": "to render"})
    monkeypatch.setattr(system_packages.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(system_packages.os, "geteuid", lambda: 1000)
    with pytest.raises(Problem, match=r"g\+\+ \(to build\); libegl1 \(to render\)") as problem:
        system_packages.install(tmp_path / "apt.log")
    assert "sudo apt-get install g++ libegl1" in str(problem.value)


def test_a_full_disk_is_said_before_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_packages.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**30}))
    with pytest.raises(Problem, match=r"nearly full: 1\.0 GiB are free"):
        python_packages.check_space(tmp_path)


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (Problem("do this"), "do this", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full", 1),
        (OSError(errno.EROFS, "Read-only file system"), "must be writable", 1),
    ],
)
def test_no_traceback(
    error: BaseException, message: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(cli, "_run", fail)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    assert cli.main(["setup"]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("lunch", "unknown command 'lunch' (did you mean 'launch'?)"),
        ("benhc", "did you mean 'bench'?"),
        ("fly", "unknown command 'fly'. ./reacher --help"),
    ],
)
def test_an_unknown_command_is_refused(
    word: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    assert cli.main([word]) == 1
    assert message in capsys.readouterr().err


def test_forwarded_commands_are_those_of_the_package() -> None:
    commands = next(a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert {choice.dest: choice.help for choice in commands._choices_actions} == cli.FORWARDED
    assert all(f"  {name} ..." in cli.HELP for name in cli.FORWARDED)


@pytest.mark.parametrize(
    ("arguments", "message"), [([], "no launch file given"), (["asinc.launch.py"], r"did you mean 'async\.launch\.py'")]
)
def test_a_launch_file_must_exist(arguments: list[str], message: str) -> None:
    with pytest.raises(Problem, match=message):
        cli.launch(None, arguments)  # type: ignore[arg-type]
