from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from franka_reacher_rl.bench.cycle import busy_setting
from franka_reacher_rl.cli import main
from franka_reacher_rl.core.base.settings import Setting


def test_smoke_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "smoke")
    small = ["--seeds", "0", "--episodes", "2", "--jobs", "0"]
    assert main(["experiment", "run", "--preset", "smoke", "--out", out, *small]) == 0
    assert main(["experiment", "run", "--preset", "smoke", "--out", out, *small]) == 0
    assert "2 runs, 2 of them already finished" in capsys.readouterr().out
    assert main(["experiment", "plot", out]) == 0
    assert main(["experiment", "report", out]) == 0
    assert "report.md" in capsys.readouterr().out
    assert "async_baseline" in (tmp_path / "smoke" / "report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "arguments are required: COMMAND"),
        (
            ["fly"],
            "unknown command 'fly': choose experiment, bench, ",
        ),
        (["benhc"], "unknown command 'benhc' (did you mean 'bench'?)"),
        (["bench"], "arguments are required: BENCH"),
        (["bench", "lerner"], "bench: unknown bench 'lerner' (did you mean 'learner'?)"),
        (["experiment", "rn"], "experiment: unknown command 'rn' (did you mean 'run'?)"),
        (["experiment", "run", "--sede", "1"], "unknown option '--sede' (did you mean '--seeds'?)"),
        (["experiment", "plot", "DIR", "more"], "unexpected argument 'more'"),
        (["experiment", "run", "--out", "DIR", "--device", "cdua"], "'cdua' (did you mean 'cuda'?): choose auto, cpu"),
        (["experiment", "run", "--settings", "baseline", "--out", "DIR"], "give 'async_baseline' or 'sync_baseline'"),
        (["experiment", "run", "--settings", "async_basline", "--out", "DIR"], "(did you mean 'async_baseline'?)"),
        (["bench", "cycle", "--setting", "sync_lite"], "'sync_lite' is for the sync wiring, not for async"),
        (["bench", "latency", "--settings", "lit"], "no setting 'lit' (did you mean 'lite'?)"),
        (["bench", "plant", "--robots", "panda_sm"], "no robot 'panda_sm' (did you mean 'panda_sim'?)"),
        (["preview", "--out", "DIR", "--robot", "panda_sm"], "(did you mean 'panda_sim'?)"),
        (["curve", "DIR/nowhere"], "does not exist: give the run folder"),
        (
            ["experiment", "run", "--settings", "async_huge", "--out", "DIR"],
            "no setting 'async_huge' (did you mean 'async_highres'?): there are",
        ),
        (["experiment", "run", "--preset", "huge", "--out", "DIR"], "no preset 'huge': there are"),
        (["experiment", "run", "--preset", "lite", "--settings", "x", "--out", "DIR"], "no variant 'x'"),
        (["experiment", "run", "--preset", "lite", "--latency", "none", "--out", "DIR"], "no latency profile 'none'"),
        (["experiment", "run", "--preset", "lite", "--jobs", "-1", "--out", "DIR"], "must not be negative"),
        (["experiment", "run", "--preset", "lite", "--out", "DIR/file"], "cannot be used"),
        (["experiment", "report", "DIR/nowhere"], "does not exist"),
        (["experiment", "plot", "DIR"], "manifest.yaml is missing"),
        (["runs", "DIR/nowhere"], "is not a folder: give the folder of a run"),
    ],
)
def test_a_mistake_gives_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")  # bench cycle looks for ros2
    (tmp_path / "file").write_text("")
    assert main([a.replace("DIR", str(tmp_path)) for a in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], "COMMAND"),
        (["experiment"], "report"),
        (["experiment", "run"], "--preset"),
        (["experiment", "plot"], "folder"),
        (["experiment", "report"], "folder"),
        (["bench"], "learner"),
        (["bench", "learner"], "--against-plain"),
        (["bench", "cycle"], "--minutes"),
        (["bench", "latency"], "--repeats"),
        (["bench", "plant"], "--robots"),
        (["runs"], "folder"),
        (["pause"], "--namespace"),
        (["curve"], "run_dir"),
        (["preview"], "--width"),
    ],
    ids=" ".join,
)
def test_every_level_has_help(words: list[str], shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    out = capsys.readouterr().out
    assert shown in out and " ".join(["usage: franka-reacher", *words]) in out


def test_help_imports_nothing_heavy() -> None:
    code = """import sys; from franka_reacher_rl.cli import main; main(["bench", "learner", "--help"])
heavy = {"torch", "numpy", "pandas", "mujoco", "cv2", "matplotlib", "pinocchio"} & set(sys.modules)
assert not heavy, heavy"""
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("name", ["lite", "async_lite"])
def test_bench_cycle_takes_a_setting_with_or_without_its_wiring(name: str, tmp_path: Path) -> None:
    busy, lite = Setting.load(busy_setting(name, tmp_path, 20.0)), Setting.load("async_lite")
    assert busy.episode.cycle_ms == 20.0
    assert busy.learner.max_updates_per_step > lite.learner.max_updates_per_step
    assert busy.image == lite.image


def test_an_output_that_cannot_be_written_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "episodes.csv").write_text("episode,episode_return\n1,10\n")
    assert main(["curve", str(tmp_path), "--out", str(tmp_path / "episodes.csv" / "curve.png")]) == 1
    assert "episodes.csv" in (error := capsys.readouterr().err) and error.count("\n") == 1


def test_curve_plots_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "episodes.csv").write_text("episode,episode_return\n1,10\n2,30\n")
    assert main(["curve", str(tmp_path), "--out", str(tmp_path / "curve.png")]) == 0
    assert (tmp_path / "curve.png").stat().st_size > 0
    assert "mean return of the first 2 episodes 20.0" in capsys.readouterr().out


def test_runs_lists_the_runs_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"no runs in {tmp_path}\n"
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "manifest.yaml").write_text("run: {wiring: sync, episodes: 4}")
    (tmp_path / "one" / "episodes.csv").write_text("episode,episode_return\n1,10\n2,30\n")
    assert main(["runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:4] == ["one", "unknown", "2/4", "30.0"]
    assert lines[2].strip() == f"ros2 launch franka_reacher_rl sync.launch.py resume:={tmp_path / 'one'}"


def test_bench_latency_writes_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from franka_reacher_rl.virtual.latency import load_latency

    path = tmp_path / "here.yaml"
    options = ["--settings", "lite", "--repeats", "2", "--threads", "1", "--out", str(path)]
    assert main(["bench", "latency", *options]) == 0
    assert load_latency(path, "async_lite").update.mean > 0.0
    assert load_latency(path, "sync_lite") == load_latency(path, "async_lite")


def test_bench_plant_times_the_simulated_arm_and_the_filter(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--robots", "panda_sim", "fr3", "--settings", "async_lite", "--seconds", "0.1", "--json"]
    assert main(["bench", "plant", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["panda_sim, async_lite"]["with_bridge_times_real_time"] > 1.0
    assert 0.0 < found["fr3, filter, pushing policy"]["median_ms"] < 100.0
    assert "fr3, async_lite" not in found, "only simulated arms can be simulated"
