"""A run folder tells what becomes of its run, and a person controls the run from the command line."""

import os
import signal

from processes import until

from franka_reacher_rl.cli import main
from franka_reacher_rl.core.run.run_state import state_of


def test_a_run_is_listed_paused_refused_to_others_killed_and_taken_up(launch, tmp_path, capsys):
    folder = tmp_path / "run"
    graph = launch("async", run_dir=str(folder))
    graph.until(lambda: "\n        2 " in graph.text)
    assert main(["runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["run", "running"]
    for arguments in ({"run_dir": str(tmp_path / "run")}, {"resume": str(folder)}):
        second = launch("async", **arguments)
        assert second.wait() == 1
        assert f"process {graph.process.pid} on " in second.text or "already contains a run" in second.text
    assert main(["pause"]) == 0
    until(lambda: state_of(folder).state == "paused", 10.0)
    assert main(["resume"]) == 0
    until(lambda: state_of(folder).state == "running", 10.0)
    graph.until(lambda: list(folder.glob("checkpoints/checkpoint-*")))
    os.killpg(graph.process.pid, signal.SIGKILL)
    graph.wait()
    assert state_of(folder).state == "died"

    weights = launch("async", run_dir=str(tmp_path / "new"), resume_weights=str(folder), episodes="1")
    assert weights.wait() == 0, weights.text
    assert "starts from the networks of" in weights.text and state_of(tmp_path / "new").state == "complete"

    resumed = launch("async", resume=str(folder), setting="lite")
    resumed.until(lambda: "died without an orderly end" in resumed.text)
    resumed.until(lambda: state_of(folder).state == "running" and len(resumed.nodes()) > 8)
    resumed.until(lambda: main(["abort"]) == 0)
    assert resumed.wait() == 0, resumed.text
    assert state_of(folder).state == "aborted"
