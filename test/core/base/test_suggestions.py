"""Misspelt names of robots, settings and presets are answered with the closest one."""

from __future__ import annotations

import pytest

from franka_reacher_rl.core.base.paths import find_yaml
from franka_reacher_rl.core.base.suggestions import did_you_mean


def test_the_closest_name_is_suggested() -> None:
    assert did_you_mean("panda_sm", ["fr3", "panda_sim", "ur5e_sim"]) == " (did you mean 'panda_sim'?)"
    assert did_you_mean("x", ["fr3", "panda_sim"]) == ""


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("robots", "panda_smi", r"no robot 'panda_smi' \(did you mean 'panda_sim'\?\): there are .*ur5e_sim"),
        ("presets", "smoek", r"no preset 'smoek' \(did you mean 'smoke'\?\)"),
        ("latency", "qqq", "'qqq': there are lab"),
    ],
)
def test_a_misspelt_file_name(kind: str, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_yaml(kind, name)
