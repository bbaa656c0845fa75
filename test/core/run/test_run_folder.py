"""What a run leaves behind, and going on with it."""

import os

import pytest
import yaml
from full_disk import small_disk

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.csv_file import CsvFile
from franka_reacher_rl.core.base.fields import to_mapping
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.run.run_folder import Resumed, last_recorded, manifest, write_manifest
from franka_reacher_rl.core.run.run_state import RunLock

RUN = {"wiring": "async", "setting": "async_lite", "robot": "panda_sim", "camera": "simulated", "seed": 3}
ROW = {"episode": 4, "training_seconds": 24.123456789, "total_steps": 600, "run_seconds": 60.5}


@pytest.fixture
def folder(tmp_path):
    write_manifest(tmp_path, manifest(Setting.load("async_lite"), Robot.load("panda_sim"), RUN))
    return tmp_path


def test_the_manifest_holds_the_whole_configuration(folder):
    found = yaml.safe_load((folder / "manifest.yaml").read_text())
    assert found["run"] == RUN and found["setting"]["image"]["width"] == 64 and found["robot"]["name"] == "panda_sim"
    assert found["versions"]["numpy"] and found["host"]["machine"]
    assert Setting.load(str(folder / "setting.yaml")) == Setting.load("async_lite")
    assert Robot.load(str(folder / "robot.yaml")) == Robot.load("panda_sim")


def test_a_run_is_resumed_after_its_last_episode(folder):
    table = CsvFile(folder / "episodes.csv", tuple(ROW))
    table.write(ROW)
    table.close()
    resumed = Resumed(str(folder), "async")
    assert resumed.counters == {
        "first_episode": 5,
        "training_seconds": 24.123456789,
        "total_steps": 600,
        "run_seconds": 60.5,
    }
    assert resumed.arguments["seed"] == "3" and resumed.arguments["setting"] == str(folder / "setting.yaml")


def test_a_run_without_an_episode_starts_at_the_first(folder):
    assert Resumed(str(folder), "async").counters == {}


def test_what_is_no_run_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"is a run of async\.launch\.py"):
        Resumed(str(folder), "sync")
    with pytest.raises(ValueError, match="holds no run"):
        Resumed(str(tmp_path / "nowhere"), "sync")


def test_the_first_manifest_is_kept(folder):
    write_manifest(folder, manifest(Setting.load("async_lite"), Robot.load("panda_sim"), RUN))
    assert len(list(folder.glob("manifest*.yaml"))) == 2


def test_a_run_of_other_models_is_not_resumed(folder):
    content = yaml.safe_load((folder / "manifest.yaml").read_text())
    (folder / "manifest.yaml").write_text(yaml.safe_dump(content | {"models": "other"}))
    with pytest.raises(ValueError, match=r"other models of the arm or the scene \(digest other"):
        Resumed(str(folder), "async")


def test_a_run_of_another_version_is_resumed_with_a_warning(folder):
    assert Resumed(str(folder), "async").warning == ""
    content = yaml.safe_load((folder / "manifest.yaml").read_text())
    (folder / "manifest.yaml").write_text(yaml.safe_dump(content | {"code": "other", "commit": "abc"}))
    assert "another version of the code (commit abc)" in Resumed(str(folder), "async").warning


def test_a_damaged_manifest_is_refused(folder):
    (folder / "manifest.yaml").write_text("")
    with pytest.raises(ValueError, match="is damaged"):
        Resumed(str(folder), "async")


def begun_with(tmp_path, folder, name="lab.yaml"):
    """Let the run have begun with a robot file that can be changed, and return its path."""
    path = tmp_path / name
    path.write_text(yaml.safe_dump(to_mapping(Robot.load("panda_sim"))))
    write_manifest(folder, manifest(Setting.load("async_lite"), Robot.load(path), RUN | {"robot": str(path)}))
    return path


def narrowed(path):
    """Narrow the workspace in a robot file."""
    robot = yaml.safe_load(path.read_text())
    robot["task"]["workspace_upper"][2] = 0.3
    path.write_text(yaml.safe_dump(robot))


def test_a_workspace_narrowed_since_applies_to_a_resumed_run(folder, tmp_path_factory):
    path = begun_with(tmp_path_factory.mktemp("lab"), folder)
    assert Resumed(str(folder), "async").arguments["robot"] == str(folder / "robot.yaml")
    narrowed(path)
    resumed = Resumed(str(folder), "async")
    robot = Robot.load(resumed.arguments["robot"])
    assert robot.task.workspace_upper == [0.7, 0.3, 0.3]
    assert f"tighter limits of {path} apply: task.workspace_upper" in resumed.warning


def test_a_run_resumed_twice_still_knows_its_robot_file(folder, tmp_path_factory):
    path = begun_with(tmp_path_factory.mktemp("lab"), folder)
    first = Resumed(str(folder), "async")
    run = RUN | {"robot": first.arguments["robot"], "robot_source": first.robot_source}
    write_manifest(folder, manifest(Setting.load("async_lite"), Robot.load(run["robot"]), run))
    narrowed(path)
    assert Robot.load(Resumed(str(folder), "async").arguments["robot"]).task.workspace_upper[2] == 0.3


def test_without_its_robot_file_the_run_keeps_its_own_limits_and_says_so(folder, tmp_path_factory):
    path = begun_with(tmp_path_factory.mktemp("lab"), folder)
    path.unlink()
    resumed = Resumed(str(folder), "async")
    assert resumed.arguments["robot"] == str(folder / "robot.yaml")
    assert f"robot file {path} does not exist any more" in resumed.warning


def test_a_robot_file_that_leaves_no_room_is_refused(folder, tmp_path_factory):
    path = begun_with(tmp_path_factory.mktemp("lab"), folder)
    robot = yaml.safe_load(path.read_text())
    robot["task"] |= {"workspace_lower": [0.75, -0.3, 0.08], "workspace_upper": [0.9, 0.3, 0.38]}
    path.write_text(yaml.safe_dump(robot))
    with pytest.raises(ValueError, match=r"lab\.yaml has changed .*workspace_lower.*start a new run"):
        Resumed(str(folder), "async")


def test_a_running_run_is_not_resumed(folder):
    lock = RunLock(folder, "r1")
    with pytest.raises(ValueError, match=rf"is running in process {os.getpid()} on .*: end it first"):
        Resumed(str(folder), "async")
    lock.release()
    assert Resumed(str(folder), "async").warning == "the run died without an orderly end"


def test_how_the_run_ended_is_said_when_it_is_resumed(folder):
    lock = RunLock(folder, "r1")
    lock.end("failed: learner died 5 times")
    lock.release()
    assert Resumed(str(folder), "async").warning == "the run failed before: learner died 5 times"


@pytest.mark.parametrize("name", ["setting.yaml", "robot.yaml"])
def test_a_missing_file_is_restored_from_the_manifest(folder, name):
    before = yaml.safe_load((folder / name).read_text())
    (folder / name).unlink()
    resumed = Resumed(str(folder), "async")
    assert f"{name} was missing and is restored from manifest.yaml" in resumed.warning
    assert yaml.safe_load((folder / name).read_text()) == before


def test_a_torn_last_row_is_repeated_with_a_warning(folder):
    table = CsvFile(folder / "episodes.csv", tuple(ROW))
    table.write(ROW)
    table.close()
    with (folder / "episodes.csv").open("a") as file:
        file.write("5,30.1,7")
    resumed = Resumed(str(folder), "async")
    assert resumed.counters["first_episode"] == 5 and "its episode is repeated" in resumed.warning


def test_a_damaged_last_row_is_named(folder):
    (folder / "episodes.csv").write_text(",".join(ROW) + "\n4,x,600,60.5\n")
    with pytest.raises(ValueError, match=r"the last row of .*episodes\.csv is damaged .*: remove it to continue"):
        Resumed(str(folder), "async")


@pytest.mark.parametrize("content", ["", "{", '{"run_id": "r1"}'])
def test_damaged_progress_is_set_aside(folder, content):
    (folder / "progress.json").write_text(content)
    assert "progress.json was damaged and is renamed" in Resumed(str(folder), "async").warning
    assert not (folder / "progress.json").exists() and (folder / "progress.damaged").read_text() == content


def test_of_a_damaged_manifest_the_earlier_one_is_named(folder):
    write_manifest(folder, manifest(Setting.load("async_lite"), Robot.load("panda_sim"), RUN))
    (folder / "manifest.yaml").write_text("")
    earlier = next(folder.glob("manifest.*.yaml"))
    with pytest.raises(ValueError, match=rf"is damaged \(it is empty\), .*: copy {earlier.name} over it"):
        Resumed(str(folder), "async")
    (folder / "manifest.yaml").write_bytes(earlier.read_bytes())
    Resumed(str(folder), "async")


@pytest.mark.parametrize("content", ["run: 3", "- run", "run: {wiring: 3}", "\t", "run: {wiring: async}"])
def test_no_damaged_manifest_gives_a_traceback(folder, content):
    (folder / "manifest.yaml").write_text(content)
    with pytest.raises(ValueError, match="is damaged"):
        Resumed(str(folder), "async")


def test_a_recorder_that_starts_anew_writes_no_second_manifest(folder):
    content = manifest(Setting.load("async_lite"), Robot.load("panda_sim"), RUN | {"run_id": "r1"})
    write_manifest(folder, content)
    before = sorted(folder.iterdir())
    write_manifest(folder, content | {"started": "later"})
    assert sorted(folder.iterdir()) == before
    assert yaml.safe_load((folder / "manifest.yaml").read_text())["started"] != "later"


def test_a_manifest_that_cannot_be_written_leaves_the_earlier_one(tmp_path):
    content = manifest(Setting.load("async_lite"), Robot.load("panda_sim"), RUN)
    with small_disk(tmp_path) as disk:
        write_manifest(tmp_path, content)
        before = (tmp_path / "manifest.yaml").read_text()
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            write_manifest(tmp_path, content)
        assert (tmp_path / "manifest.yaml").read_text() == before


def test_the_last_recorded_episode_is_a_complete_row_of_the_same_run(folder):
    write_manifest(folder, manifest(Setting.load("async_lite"), Robot.load("panda_sim"), RUN | {"run_id": "r1"}))
    (folder / "episodes.csv").write_text("episode,value\n1,2\n2,3\n3")
    assert (last_recorded(folder, "r1"), last_recorded(folder, "r2"), last_recorded(folder, "")) == (2, 0, 0)
