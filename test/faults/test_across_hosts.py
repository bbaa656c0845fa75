"""The learner and the arm on two hosts: over a cable, over a bad link, with a cut, and with restarts.

The hosts are network namespaces with host names and shared memory of their own.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import two_hosts
from two_hosts import ROOT, HostLaunch, TwoHosts

SETTING = ROOT / "test" / "settings" / "quick.yaml"
NOT_HERE = two_hosts.missing()

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(NOT_HERE), reason=NOT_HERE),
]


@pytest.fixture
def joined() -> Iterator[Callable[..., TwoHosts]]:
    """Makes two hosts."""
    made: list[TwoHosts] = []

    def make(delay: float | None = None, loss: float = 0.0) -> TwoHosts:
        made.append(TwoHosts(delay, loss))
        return made[-1]

    yield make
    for each in made:
        each.close()


class Run:
    """One run on two hosts."""

    def __init__(self, hosts: TwoHosts, folder: Path, episodes: int, wiring: str = "async") -> None:
        self.hosts, self.folder = hosts, folder
        self._arguments = {"setting": str(SETTING), "wiring": wiring, "run": "drill", "device": "cpu"}
        self._arguments |= {"episodes": str(episodes), "seed": "1"}
        self.learner = self.start("gpu", "learner")
        self.robot = self.start("arm", "robot")

    def start(self, host: str, part: str) -> HostLaunch:
        return self.hosts.launch(host, part, **self._arguments, run_dir=str(self.folder / part))

    def rows(self, part: str, table: str) -> list[dict[str, str]]:
        path = self.folder / part / f"{table}.csv"
        return list(csv.DictReader(path.open(newline=""))) if path.exists() else []

    def until_episode(self, number: int, seconds: float = 90.0) -> None:
        self.robot.until(lambda: len(self.rows("robot", "episodes")) >= number, seconds)

    def end(self, episodes: int, seconds: float = 120.0) -> None:
        """Wait for the end of both parts and check what each run must show."""
        assert self.robot.wait(seconds) == 0, self.robot.text
        assert self.learner.wait(60.0) == 0, self.learner.text
        text = self.robot.text + self.learner.text
        assert "Traceback" not in text and "repetition" not in text and "refused" not in text, text
        assert "policies are received inline" in self.robot.text
        for part in ("robot", "learner"):
            numbers = [int(row["episode"]) for row in self.rows(part, "episodes")]
            assert numbers == list(range(1, episodes + 1)), part
        steps = sum(int(row["steps"]) for row in self.rows("robot", "episodes"))
        # Each step was stored once: `stored_steps` counts rows that follow the row of the step before.
        assert int(self.rows("learner", "learner")[-1]["stored_steps"]) == steps
        assert int(self.rows("robot", "episodes")[-1]["policy_version"]) > 0
        assert (self.folder / "learner" / "policy.safetensors").exists()
        assert list((self.folder / "learner" / "checkpoints").glob("checkpoint-*"))

    def lateness(self, first: int = 1) -> np.ndarray:
        """Return how late each cycle of the episodes from `first` on was, ms."""
        rows = [row for row in self.rows("robot", "cycles") if int(row["episode"]) >= first]
        return 1e3 * np.array([float(row["lateness"]) for row in rows])

    def assert_control_kept_its_cycle(self) -> None:
        lateness = self.lateness()
        report("lateness [ms]", median=np.median(lateness), p99=np.quantile(lateness, 0.99), max=lateness.max())
        assert np.quantile(lateness, 0.98) < 10.0


def report(what: str, **values: float) -> None:
    """Print numbers for docs/two_machines.md; pytest shows them with -s."""
    print(what, ", ".join(f"{name} {value:.3g}" for name, value in values.items()))


def test_over_a_cable(joined: Callable[..., TwoHosts], tmp_path: Path) -> None:
    hosts = joined()
    run = Run(hosts, tmp_path, episodes=6)
    run.until_episode(2)
    (to_arm, from_arm), began = hosts.traffic("arm"), time.monotonic()
    run.until_episode(5)
    seconds, now = time.monotonic() - began, hosts.traffic("arm")
    report("kB/s", to_learner=1e-3 * (now[1] - from_arm) / seconds, to_arm=1e-3 * (now[0] - to_arm) / seconds)
    run.end(6)
    run.assert_control_kept_its_cycle()


def test_sync_over_a_cable(joined: Callable[..., TwoHosts], tmp_path: Path) -> None:
    run = Run(joined(), tmp_path, episodes=4, wiring="sync")
    run.end(4)
    versions = [int(row["policy_version"]) for row in run.rows("robot", "episodes")]
    steps = np.cumsum([int(row["steps"]) for row in run.rows("robot", "episodes")])
    assert versions[-1] >= steps[-1] - steps[0] - 30, "the actor did not wait for the policy of each step"


def test_over_a_link_with_delay_loss_and_a_cut_of_10_s(joined: Callable[..., TwoHosts], tmp_path: Path) -> None:
    hosts = joined(delay=0.02, loss=0.01)
    run = Run(hosts, tmp_path, episodes=16)
    run.until_episode(4)
    before = run.rows("learner", "learner")[-1]
    hosts.cut()
    time.sleep(10.0)
    cut_off = len(run.rows("robot", "episodes"))
    stored = int(run.rows("learner", "learner")[-1]["stored_steps"])
    hosts.join()
    joined_at = time.monotonic()
    missed = sum(int(row["steps"]) for row in run.rows("robot", "episodes")) - stored
    run.robot.until(lambda: int(run.rows("learner", "learner")[-1]["stored_steps"]) >= stored + missed, 30.0)
    report("after the cut", missed_steps=missed, caught_up_s=time.monotonic() - joined_at)
    run.end(16)
    assert cut_off >= 5, "control did not go on without the learner"
    assert missed > 50, "the link was not cut"
    assert int(run.rows("learner", "learner")[-1]["updates"]) > int(before["updates"])
    run.assert_control_kept_its_cycle()


def test_a_learner_that_is_killed_and_started_again_gets_what_it_lacks(
    joined: Callable[..., TwoHosts], tmp_path: Path
) -> None:
    run = Run(joined(), tmp_path, episodes=12)
    run.until_episode(4)
    run.learner.kill()
    run.learner = run.start("gpu", "learner")
    run.end(12)
    assert "resumed from the checkpoint" in run.learner.text
    assert "are sent again" in run.robot.text


def test_an_arm_that_is_killed_and_started_again_goes_on(joined: Callable[..., TwoHosts], tmp_path: Path) -> None:
    run = Run(joined(), tmp_path, episodes=8)
    run.until_episode(3)
    run.robot.kill()
    run.robot = run.start("arm", "robot")
    assert run.robot.wait(120.0) == 0, run.robot.text
    assert run.learner.wait(60.0) == 0, run.learner.text
    numbers = [int(row["episode"]) for row in run.rows("learner", "episodes")]
    # The episode in which it was killed is not on record.
    assert numbers == sorted(set(numbers)) and numbers[-1] == 8 and len(numbers) >= 6
    assert "repetition" not in run.learner.text
