from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_experiments as tiny
import yaml

from franka_reacher_rl.core.base.csv_file import CsvFile
from franka_reacher_rl.core.base.datatypes import EndReason
from franka_reacher_rl.core.task.summary import COLUMNS, EpisodeRecord
from franka_reacher_rl.experiments import provenance, virtual_run
from franka_reacher_rl.experiments.executors import InThisProcess, Job, LocalProcesses
from franka_reacher_rl.experiments.realtime_executor import launch_command, take_over
from franka_reacher_rl.experiments.run_files import finished
from franka_reacher_rl.experiments.runner import exclusive, prepare, reuse, run_experiment


def test_runs_in_processes_equal_runs_in_this_one(tmp_path: Path) -> None:
    made = tiny.experiment("async_baseline", seeds="0:2", episodes=2)
    assert run_experiment(made, tmp_path / "here", InThisProcess()) == {}
    assert run_experiment(made, tmp_path / "there", LocalProcesses(2)) == {}
    for run in made.runs:
        assert tiny.rows(tmp_path / "here" / run.folder) == tiny.rows(tmp_path / "there" / run.folder)


def test_what_is_finished_is_not_run_again(tmp_path: Path) -> None:
    made = tiny.experiment("sync_baseline")
    run_experiment(made, tmp_path, InThisProcess())
    table = tmp_path / made.runs[0].folder / virtual_run.EPISODES
    before = table.stat().st_mtime_ns
    more = tiny.experiment("sync_baseline", seeds="0:2")
    assert run_experiment(more, tmp_path, InThisProcess()) == {}
    assert table.stat().st_mtime_ns == before
    assert (tmp_path / more.runs[1].folder / virtual_run.RESULT).exists()
    assert yaml.safe_load((tmp_path / "manifest.yaml").read_text())["seeds"] == [0, 1]


def test_configurations_are_not_mixed(tmp_path: Path) -> None:
    prepare(tiny.experiment("async_baseline"), tmp_path)
    prepare(tiny.experiment("async_baseline", seeds="5"), tmp_path)  # more seeds may join
    prepare(tiny.experiment("sync_baseline"), tmp_path)  # so may other variants
    with pytest.raises(ValueError, match=r"learner.batch_size is 4 there, 5 here.*take another folder"):
        prepare(tiny.experiment("async_baseline", learner={"batch_size": 5, "warmup_steps": 12}), tmp_path)
    with pytest.raises(ValueError, match="holds runs of 3 episodes, not 4"):
        prepare(tiny.experiment("async_baseline", episodes=4), tmp_path)


def test_the_manifest_has_every_command_that_added_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments, seeds in (("--seeds 0", "0"), ("--seeds 0", "0"), ("--seeds 0:2", "0:2"), ("--jobs 2", "0:2")):
        monkeypatch.setattr("sys.argv", ["cli.py", "experiment", "run", *arguments.split(), "--out", str(tmp_path)])
        prepare(tiny.experiment("async_baseline", seeds=seeds), tmp_path)
    commands = yaml.safe_load((tmp_path / "manifest.yaml").read_text())["commands"]
    assert commands == [f"franka-reacher experiment run --seeds {seeds} --out DIR" for seeds in ("0", "0:2")]


def test_a_folder_with_foreign_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(ValueError, match=r"holds other files and no manifest\.yaml"):
        prepare(tiny.experiment("async_baseline"), tmp_path)
    (tmp_path / "manifest.yaml").write_text("a: 3")
    with pytest.raises(ValueError, match="not an experiment's"):
        prepare(tiny.experiment("async_baseline"), tmp_path)


def test_two_runners_do_not_share_a_folder(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(ValueError, match="an experiment is running in it"):
        run_experiment(tiny.experiment("async_baseline"), tmp_path, InThisProcess())


def test_a_run_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    made = tiny.experiment("async_baseline", "sync_baseline", episodes=2)
    first, second = prepare(made, tmp_path)
    (first.folder / virtual_run.EPISODES).mkdir()  # in the way of its table
    failures = run_experiment(made, tmp_path, InThisProcess())
    assert list(failures) == ["async_baseline seed 0"]
    assert "Error" in failures["async_baseline seed 0"]
    assert second.finished and not first.finished
    (first.folder / virtual_run.EPISODES).rmdir()
    assert run_experiment(made, tmp_path, InThisProcess()) == {}


def test_a_run_whose_process_dies_is_told_with_its_reason(tmp_path: Path) -> None:
    (job,) = prepare_in(tiny.experiment("async_baseline"), tmp_path / "out")
    (job.folder / virtual_run.RUN).write_text("{}")
    executor = LocalProcesses(1)
    executor.start(job)
    while not (ended := executor.ended()):
        time.sleep(0.05)
    assert ended[0][0] == job
    assert "'variant' is missing" in ended[0][1]


def test_a_killed_runner_can_be_started_again(tmp_path: Path) -> None:
    """SIGKILL to the runner: its run notices, and the next runner goes on to the result of an undisturbed one."""
    made = tiny.experiment("async_baseline", episodes=6)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    (job,) = prepare_in(made, killed)
    script = "import sys, time; from franka_reacher_rl.experiments.executors import *; from pathlib import Path\n"
    script += "from franka_reacher_rl.experiments.virtual_run import Run\n"
    script += "folder = Path(sys.argv[1]); executor = LocalProcesses(1, 0.0)\n"
    script += "executor.start(Job(Run.read(folder / 'run.json'), folder)); time.sleep(60)"
    runner = subprocess.Popen([sys.executable, "-c", script, str(job.folder)], env=dict(os.environ))
    while not list((job.folder / virtual_run.CHECKPOINTS).glob("*.safetensors")):
        assert runner.poll() is None
        time.sleep(0.02)
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    assert run_experiment(made, killed, LocalProcesses(1)) == {}
    assert run_experiment(made, whole, InThisProcess()) == {}
    assert tiny.rows(job.folder) == tiny.rows(whole / made.runs[0].folder)


def prepare_in(made: tiny.Experiment, folder: Path) -> list[Job]:
    folder.mkdir()
    return prepare(made, folder)


def test_equal_runs_of_another_experiment_are_taken_over(tmp_path: Path) -> None:
    run_experiment(tiny.experiment("sync_baseline"), tmp_path / "one", InThisProcess())
    jobs = prepare_in(tiny.experiment("async_baseline", "sync_baseline"), tmp_path / "two")
    assert reuse(jobs, tmp_path / "one") == 1
    assert [job.finished for job in jobs] == [False, True]


def test_results_of_another_version_of_the_code_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny.experiment("sync_baseline")
    run_experiment(made, tmp_path / "one", InThisProcess())
    assert finished(made.runs[0], tmp_path / "one" / made.runs[0].folder)
    monkeypatch.setattr(provenance, "code_digest", lambda realtime=False: "other")
    assert not finished(made.runs[0], tmp_path / "one" / made.runs[0].folder)
    with pytest.raises(ValueError, match=r"another version of the code .* take another folder"):
        run_experiment(made, tmp_path / "one", InThisProcess())
    assert reuse(prepare_in(made, tmp_path / "two"), tmp_path / "one") == 0


def test_results_of_another_model_are_not_mixed(tmp_path: Path) -> None:
    made = tiny.experiment("sync_baseline")
    run_experiment(made, tmp_path / "one", InThisProcess())
    variant = dataclasses.replace(made.variants[0], model_digest="other")
    other = dataclasses.replace(made, variants=(variant,))
    with pytest.raises(ValueError, match="model_digest is .* there, other here"):
        run_experiment(other, tmp_path / "one", InThisProcess())
    assert reuse(prepare_in(other, tmp_path / "two"), tmp_path / "one") == 0


def test_real_time_launches_the_graph_with_the_runs_own_files(tmp_path: Path) -> None:
    from franka_reacher_rl.core.arm.robot import Robot
    from franka_reacher_rl.core.base.settings import Setting

    run = tiny.experiment("sync_baseline").runs[0]
    command = launch_command(run, tmp_path)
    assert command[:4] == ["ros2", "launch", "franka_reacher_rl", "sync.launch.py"]
    assert Setting.load(tmp_path / "setting.yaml") == run.variant.setting
    assert Robot.load(tmp_path / "robot.yaml") == Robot.load("panda_sim")


def test_real_time_takes_over_the_graphs_table(tmp_path: Path) -> None:
    run = tiny.experiment("sync_baseline", episodes=2).runs[0]
    (tmp_path / "graph").mkdir()
    table = CsvFile(tmp_path / "graph" / "episodes.csv", COLUMNS)
    times = {"duration": 6.0, "training_seconds": 6.0, "run_seconds": 7.0, "total_steps": 80}
    for episode in (1, 2):
        summary = EpisodeRecord(episode, 75.0, episode_return=50.0).summary(EndReason.TIME_LIMIT, late_ms=5.0, **times)
        table.write(summary.with_values({"updates": 70, "learner_update": 5.0}).row())
    table.close()
    take_over(run, tmp_path)
    rows = tiny.rows(tmp_path)
    assert [row["episode_return"] for row in rows] == ["50.0", "50.0"]
    assert [row["updates"] for row in rows] == ["70", "70"]
    assert float(rows[1]["learner_update"]) == 5.0
    assert rows[1]["watchdog_stops"] == "", "what the graph does not tell is unknown, not 0"
    assert json.loads((tmp_path / virtual_run.RESULT).read_text())["realtime"]
    assert finished(run, tmp_path)
