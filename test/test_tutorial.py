"""The tutorial's files are those of the example, which the launch tests run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = (ROOT / "docs" / "tutorial_reward.md").read_text()


@pytest.mark.parametrize("name", ["package.xml", "CMakeLists.txt", "scripts/centering_reward"])
def test_the_tutorial_shows_the_example(name: str) -> None:
    found = re.search(rf"`\.\./centering_reward/{re.escape(name)}`:\n\n```\w+\n(.*?)```\n", TUTORIAL, re.DOTALL)
    assert found is not None, f"the tutorial does not show {name}"
    assert found[1] == (ROOT / "examples" / "centering_reward" / name).read_text()


def test_the_node_has_less_than_fifty_lines() -> None:
    assert len((ROOT / "examples/centering_reward/scripts/centering_reward").read_text().splitlines()) < 50
