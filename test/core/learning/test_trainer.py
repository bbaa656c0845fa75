"""The trainer that the factory makes stores, updates and resumes, in the same way for all of its users."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
from learner_helpers import DOF, IMAGE, NETWORK, make_transition

from franka_reacher_rl.core.base.settings import LearnerSettings, SACSettings
from franka_reacher_rl.core.learning.factory import make_trainer
from franka_reacher_rl.core.learning.trainer import Trainer
from franka_reacher_rl.core.replay.batch import Batch, DeviceBatch


def trainer(checkpoints: Path | None = None, seed: int = 0, exact_draws: bool = True, prefetch: bool = True) -> Trainer:
    learner = LearnerSettings(batch_size=4, replay_capacity=200, device="cpu", prefetch=prefetch)
    return make_trainer(
        IMAGE, NETWORK, SACSettings(), learner, DOF, seed, rows=60, checkpoints=checkpoints, exact_draws=exact_draws
    )


def add(target: Trainer, begin: int, end: int) -> None:
    for number in range(begin, end):
        target.add(make_transition(number, 1, number, first=number == 0))


def updated(target: Trainer, updates: int) -> dict[str, np.ndarray]:
    for _ in range(updates):
        target.update(target.sample())
    return target.sac.save_state()


def test_rows_limit_the_capacity() -> None:
    assert trainer().replay.capacity == 60
    few = make_trainer(IMAGE, NETWORK, SACSettings(), LearnerSettings(device="cpu"), DOF, 0, rows=1)
    assert few.replay.capacity == IMAGE.frames + 2


def test_it_counts_what_it_stored_and_updated() -> None:
    made = trainer()
    assert made.info() == {}
    add(made, 0, 9)
    updated(made, 3)
    assert (made.stored_steps, made.updates, made.policy_version) == (8, 3, 3)
    assert "critic_loss" in made.info()
    with pytest.raises(ValueError, match="not finite"):
        made.add(dataclasses.replace(make_transition(9, 1, 9), action=np.full(DOF, np.nan, np.float32)))
    assert made.stored_steps == 8


def test_exact_draws_see_the_newest_step() -> None:
    """A prefetched batch would have been drawn before the newest step was stored."""
    made = trainer(exact_draws=True)
    add(made, 0, 2)
    for number in range(2, 40):
        assert made.sample().index.max() < number  # type: ignore[union-attr]
        add(made, number, number + 1)
    drawn = np.concatenate([made.sample().index for _ in range(60)])  # type: ignore[union-attr]
    assert drawn.max() == 39
    assert isinstance(made.sample(), Batch)


def test_prefetching_starts_one_thread_and_closing_stops_it() -> None:
    made = trainer(exact_draws=False)
    add(made, 0, 20)
    before = threading.active_count()
    made.start()
    made.start()
    assert threading.active_count() == before + 1
    assert isinstance(made.sample(), DeviceBatch)
    made.update(made.sample())
    made.close()
    assert threading.active_count() == before and made.updates == 1


def test_a_restored_trainer_continues_identically(tmp_path: Path) -> None:
    whole = trainer(tmp_path)
    assert whole.restore() is None
    add(whole, 0, 30)
    updated(whole, 3)
    assert whole.save({"episode": 7}, {"noise": np.arange(3)}, wait=True) and whole.save_error == ""
    resumed = trainer(tmp_path, seed=5)
    restored = resumed.restore()
    assert restored is not None
    extra, arrays = restored
    assert extra == {"episode": 7} and arrays["noise"].tolist() == [0, 1, 2]
    assert (resumed.updates, resumed.stored_steps) == (3, 29)
    ends = []
    for one in (whole, resumed):
        add(one, 30, 40)
        ends.append(updated(one, 4))
        one.close()
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_trainer_is_restored_from_before_its_first_transition(tmp_path: Path) -> None:
    first = trainer(tmp_path)
    assert first.save(wait=True) and first.save_error == ""
    resumed = trainer(tmp_path, seed=5)
    assert resumed.restore() is not None
    assert (resumed.updates, resumed.stored_steps) == (0, 0)
    ends = []
    for one in (first, resumed):
        add(one, 0, 30)
        ends.append(updated(one, 2))
        one.close()
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_without_a_folder_nothing_is_saved() -> None:
    made = trainer()
    assert not made.save(wait=True) and not made.saving
    assert made.restore() is None
    made.close()


@pytest.mark.parametrize("where", ["reward", "actor", "critic", "temperature", "encoder"])
def test_an_update_that_is_not_finite_does_not_count_and_is_not_saved(tmp_path: Path, where: str) -> None:
    made = trainer(tmp_path)
    add(made, 0, 9)
    updated(made, 2)
    assert made.check_update() and made.save(wait=True)
    if where == "reward":  # as if damaged in memory: the losses become infinite
        made.replay.slots(0, 9)[0]["reward"] = np.inf
    else:
        sac = made.sac
        damaged = {"actor": sac.actor, "critic": sac.critic, "encoder": sac.encoder}
        tensors = list(damaged[where].parameters()) if where in damaged else [sac.log_temperature]
        tensors[-1].data.view(-1)[0] = float("nan")
    made.update(made.sample())
    assert not made.check_update()
    assert made.updates == made.policy_version == 2 and "after update 3" in made.problem
    assert not made.save(wait=True) and made.save_error == made.problem
    resumed = trainer(tmp_path)
    assert resumed.restore() is not None and resumed.updates == 2
    resumed.update(resumed.sample())
    assert resumed.check_update()


def test_optimizer_moments_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    """They leave the weights finite: an infinite second moment makes all further steps zero."""
    made = trainer(tmp_path)
    add(made, 0, 9)
    updated(made, 1)
    assert made.save(wait=True)
    moments = made.sac._optimizers["critic"].state[made.sac._critic_parameters[0]]
    moments["exp_avg_sq"].view(-1)[0] = float("inf")
    assert not made.save(wait=True)
    assert made.problem == "optimizer.critic.0.exp_avg_sq is not finite after update 1"


def test_without_a_transition_left_nothing_can_be_sampled(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    assert not made.can_sample
    add(made, 0, 1)
    assert not made.can_sample
    add(made, 1, 9)
    assert made.can_sample
    assert made.save(wait=True)
    for path in (tmp_path / "replay").iterdir():
        path.unlink()
    resumed = trainer(tmp_path)
    assert resumed.restore() is not None
    assert (resumed.stored_steps, resumed.lost_rows, resumed.can_sample) == (8, 9, False)
    add(resumed, 9, 9 + IMAGE.frames + 1)
    assert resumed.can_sample
    resumed.update(resumed.sample())
