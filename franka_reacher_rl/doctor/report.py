"""`doctor`: runs all checks and prints what they find."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from functools import partial

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.doctor import computer, hardware, middleware
from franka_reacher_rl.doctor.finding import Check, Finding, Level, found_by


def run(options: argparse.Namespace) -> int:
    """Print the findings as they come; return the exit code: 1 if something fails.

    Raises:
        ValueError: There is no such robot.
    """
    found = []
    for finding in findings(checks(options)):
        found.append(finding)
        if not options.json:
            print(line(finding), flush=True)
    if options.json:
        print(json.dumps([{**vars(finding), "level": finding.level.value} for finding in found]))
        return exit_code(found)
    counts = {level: sum(finding.level is level for finding in found) for level in Level}
    print(f"\n{counts[Level.FAILURE]} failures, {counts[Level.WARNING]} warnings, {counts[Level.OK]} checks passed")
    return exit_code(found)


def checks(options: argparse.Namespace) -> dict[str, Check]:
    """Return the checks by name, in their order.

    Raises:
        ValueError: There is no such robot.
    """
    Robot.load(options.robot)
    return {
        "versions": computer.versions,
        "ROS 2": middleware.distribution,
        "discovery": middleware.discovery,
        "shared memory": middleware.shared_memory,
        "OpenGL": computer.opengl,
        "CUDA": computer.cuda,
        "clocks": computer.clocks,
        "scheduling": computer.scheduling,
        "storage": computer.storage,
        "camera": partial(hardware.cameras, options.camera),
        "robot": partial(hardware.robot, options.robot, options.address),
    }


def findings(made: Mapping[str, Check]) -> Iterator[Finding]:
    """Return what some checks find."""
    for name, check in made.items():
        yield from found_by(name, check)


def line(finding: Finding) -> str:
    """Return a finding as a line of text, and a second line that says what to do."""
    text = f"{finding.level.value:8} {finding.name:18} {finding.text}"
    return f"{text}\n{'':27} -> {finding.remedy}" if finding.remedy else text


def exit_code(found: list[Finding]) -> int:
    """Return 1 if something fails."""
    return int(any(finding.level is Level.FAILURE for finding in found))
