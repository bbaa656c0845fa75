"""The record of a requested stop outlives the bridge, and belongs to one robot."""

from __future__ import annotations

from pathlib import Path

import pytest

from franka_reacher_rl.ros.stop_record import StopRecord


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    return tmp_path


def test_a_stop_is_on_record_until_it_is_cleared() -> None:
    assert StopRecord("/", "panda_sim").read() == ""
    StopRecord("/", "panda_sim").write()
    StopRecord("/", "panda_sim").write()
    assert StopRecord("/", "panda_sim").read().startswith("20")
    StopRecord("/", "panda_sim").clear()
    StopRecord("/", "panda_sim").clear()
    assert StopRecord("/", "panda_sim").read() == ""


@pytest.mark.parametrize(
    ("namespace", "robot", "domain"), [("/left", "panda_sim", "0"), ("/", "ur5e_sim", "0"), ("/", "panda_sim", "7")]
)
def test_it_is_of_one_robot_in_one_namespace_and_domain(
    namespace: str, robot: str, domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    StopRecord("/", "panda_sim").write()
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    assert StopRecord(namespace, robot).read() == ""


def test_a_record_that_cannot_be_read_counts_as_a_stop(home: Path) -> None:
    record = StopRecord("/a/b", "my/robot")
    record.path.mkdir(parents=True)
    assert "unknown time" in record.read()
    record.path.rmdir()
    record.path.write_text("")
    assert record.read() == "an unknown time"


def test_a_folder_that_cannot_be_written_is_an_error(home: Path) -> None:
    (home / "franka_reacher_rl").write_text("a file, not a folder")
    with pytest.raises(OSError, match="franka_reacher_rl"):
        StopRecord("/", "panda_sim").write()
    assert "unknown time" in StopRecord("/", "panda_sim").read()
