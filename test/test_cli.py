from __future__ import annotations

import json
from pathlib import Path

import pytest

from franka_reacher_rl.cli import main


def test_smoke_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "smoke")
    small = ["--seeds", "0", "--episodes", "2", "--jobs", "0"]
    assert main(["experiment", "run", "--preset", "smoke", "--out", out, *small]) == 0
    assert main(["experiment", "run", "--preset", "smoke", "--out", out, *small]) == 0
    assert "2 runs, 2 of them finished before" in capsys.readouterr().out
    assert main(["experiment", "plot", out]) == 0
    assert main(["experiment", "report", out]) == 0
    assert "report.html" in capsys.readouterr().out
    assert "async_baseline" in (tmp_path / "smoke" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which command?"),
        (["fly"], "there is no command 'fly'"),
        (["bench"], "which bench?"),
        (["bench", "press"], "there is no bench 'press'"),
        (["experiment", "run", "--settings", "async_huge", "--out", "DIR"], "no setting 'async_huge': there are"),
        (["experiment", "run", "--preset", "huge", "--out", "DIR"], "no preset 'huge': there are"),
        (["experiment", "run", "--preset", "lite", "--settings", "x", "--out", "DIR"], "no variant 'x'"),
        (["experiment", "run", "--preset", "lite", "--latency", "none", "--out", "DIR"], "no latency profile 'none'"),
        (["experiment", "run", "--preset", "lite", "--jobs", "-1", "--out", "DIR"], "must not be negative"),
        (["experiment", "run", "--preset", "lite", "--out", "DIR/file"], "cannot be used"),
        (["experiment", "report", "DIR/nowhere"], "is not there"),
        (["experiment", "plot", "DIR"], "manifest.yaml is missing"),
    ],
)
def test_bad_input_is_told_in_a_sentence(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main([a.replace("DIR", str(tmp_path)) for a in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_bench_latency_writes_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from franka_reacher_rl.virtual.latency import load_latency

    path = tmp_path / "here.yaml"
    options = ["--settings", "async_lite", "--repeats", "2", "--threads", "1", "--out", str(path)]
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
