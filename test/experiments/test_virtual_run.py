"""Whole runs in virtual time, with world, camera, bridge and learner."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
import tiny_experiments as tiny

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.task.summary import EpisodeSummary
from franka_reacher_rl.experiments import provenance, virtual_run
from franka_reacher_rl.experiments.spec import Run
from franka_reacher_rl.virtual.latency import load_latency
from franka_reacher_rl.virtual.plant import SimulatedPlant


class Killed(Exception):
    """Stands for SIGKILL."""


def the_run(setting: str, **changes: object) -> Run:
    return tiny.experiment(setting, **changes).runs[0]  # type: ignore[arg-type]


def fresh(folder: Path, run: Run) -> Path:
    folder.mkdir()
    run.write(folder / virtual_run.RUN)
    return folder


@pytest.mark.parametrize("setting", ["async_baseline", "sync_baseline"])
def test_a_run_that_was_killed_goes_on_to_the_same_result(setting: str, tmp_path: Path) -> None:
    run = the_run(setting, episodes=4)
    run = dataclasses.replace(  # with noise, and policies still under way when the checkpoint is written
        run,
        variant=dataclasses.replace(
            run.variant,
            latency=dataclasses.replace(
                run.variant.latency,
                update=dataclasses.replace(run.variant.latency.update, sd_ms=9.0),
                policy_transfer=dataclasses.replace(run.variant.latency.policy_transfer, mean_ms=30.0),
                reset_seconds=0.0,
            ),
        ),
    )
    whole, killed = fresh(tmp_path / "whole", run), fresh(tmp_path / "killed", run)
    virtual_run.run_folder(whole)

    def kill(row: EpisodeSummary) -> None:
        if row.episode == 3:  # its row is written, the checkpoint is of episode 2
            raise Killed

    virtual = virtual_run.VirtualRun(run, killed, checkpoint_every=0.0)
    with pytest.raises(Killed):
        virtual.run(lambda row: setattr(virtual, "_every", 1e9) if row.episode == 2 else kill(row))
    virtual.close()
    with (killed / virtual_run.EPISODES).open("a") as table:
        table.write("4,12.")  # as the kill may leave it
    virtual_run.run_folder(killed)
    assert tiny.rows(killed) == tiny.rows(whole)
    assert (killed / virtual_run.POLICY).read_bytes() == (whole / virtual_run.POLICY).read_bytes()
    assert int(tiny.rows(whole)[-1]["updates"]) > 0
    assert not (whole / virtual_run.CHECKPOINTS).exists()


def test_equal_seeds_give_equal_runs_and_others_do_not(tmp_path: Path) -> None:
    results = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run = dataclasses.replace(the_run("async_baseline"), seed=seed)
        folder = fresh(tmp_path / name, run)
        virtual_run.run_folder(folder)
        results.append((tiny.rows(folder), (folder / virtual_run.POLICY).read_bytes()))
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_the_command_timeout_stops_a_sync_arm_at_every_step_and_an_async_arm_never(tmp_path: Path) -> None:
    for setting, stops in (("sync_baseline", True), ("async_baseline", False)):
        run = the_run(setting, episodes=1)
        tables = []
        for timeout in (None, 0.05):
            changed = dataclasses.replace(run, variant=dataclasses.replace(run.variant, command_timeout=timeout))
            folder = fresh(tmp_path / f"{setting}-{timeout}", changed)
            virtual_run.run_folder(folder)
            tables.append(tiny.rows(folder))
        off, on = tables
        assert int(off[0]["watchdog_stops"]) == 0
        assert (int(on[0]["watchdog_stops"]) > 10) == stops
        assert (off == on) == (not stops)


def test_observation_ages_are_the_profiles(tmp_path: Path) -> None:
    for setting, age in (("sync_baseline", 58.0), ("async_baseline", 3.3)):
        folder = fresh(tmp_path / setting, the_run(setting, episodes=3))
        virtual_run.run_folder(folder)
        assert float(tiny.rows(folder)[-1]["observation_age_ms_median"]) == pytest.approx(age, abs=0.01)


def test_a_checkpoint_of_another_configuration_or_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = the_run("async_baseline", episodes=3)
    folder = fresh(tmp_path / "run", run)

    def kill(row: EpisodeSummary) -> None:
        if row.episode == 2:
            raise Killed

    virtual = virtual_run.VirtualRun(run, folder, checkpoint_every=0.0)
    with pytest.raises(Killed):
        virtual.run(kill)
    virtual.close()
    with pytest.raises(ValueError, match="another configuration"):
        virtual_run.VirtualRun(dataclasses.replace(run, seed=9), folder)
    monkeypatch.setattr(provenance, "code_digest", lambda realtime=False: "other")
    with pytest.raises(ValueError, match="another version of the code"):
        virtual_run.VirtualRun(run, folder)


def test_world_and_camera_are_much_faster_than_real_time() -> None:
    """15 times is asked of an idle core; tests share theirs, so this only sees that it is not far off."""
    setting, robot = Setting.load("async_baseline"), Robot.load("panda_sim")
    plant = SimulatedPlant(robot, setting)
    plant.read(0)
    began = time.process_time()
    for step in range(1, 51):
        now = step * 40_000_000
        for tick in range(4):
            plant.control(now - (3 - tick) * plant.period)
        plant.read(now)
    assert 50 * 0.04 / (time.process_time() - began) > 5.0
    plant.close()


def test_a_robot_without_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match="no model to simulate"):
        SimulatedPlant(Robot.load("fr3"), Setting.load("async_lite"))
    assert load_latency("lab", "async_lite").update.mean_ms == 50.3


def test_a_run_begins_the_same_however_long_it_is(tmp_path: Path) -> None:
    tables = []
    for episodes in (2, 4):
        folder = fresh(tmp_path / f"{episodes}", the_run("async_baseline", episodes=episodes))
        virtual_run.run_folder(folder)
        tables.append(tiny.rows(folder))
    assert tables[0] == tables[1][:2]


def test_an_arm_with_other_joints_runs_too(tmp_path: Path) -> None:
    made = tiny.experiment("async_baseline", episodes=2)
    variant = dataclasses.replace(made.variants[0], robot="ur5e_sim")
    folder = fresh(tmp_path / "run", Run(variant=variant, seed=0, episodes=2))
    virtual_run.run_folder(folder)
    assert [row["end_reason"] for row in tiny.rows(folder)] == ["time_limit", "time_limit"]
