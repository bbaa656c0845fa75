"""The actor's policy acts like the learner's network, on the same stacks as the replay's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from learner_helpers import DOF, IMAGE, NETWORK, make_batch, make_replay, make_sac, make_transition, policy_bytes

from franka_reacher_rl.core.base.settings import ImageSettings, NetworkSettings
from franka_reacher_rl.core.policy.policy import Policy
from franka_reacher_rl.core.replay.sources import Prefetcher
from franka_reacher_rl.core.task.frames import FrameStack


def make_policy(seed: int = 0) -> Policy:
    return Policy(IMAGE, NETWORK, DOF, seed)


def observation(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    stack = random.integers(0, 256, (IMAGE.channels, IMAGE.height, IMAGE.width), dtype=np.uint8)
    return stack, random.standard_normal(3 * DOF).astype(np.float32)


def test_actions_equal_those_of_the_learners_network() -> None:
    sac, policy = make_sac(seed=1), make_policy()
    for i in range(3):
        sac.update(make_batch(np.random.default_rng(i)))
    policy.load(policy_bytes(sac))
    stack, proprioception = observation()
    rows, columns = IMAGE.crop_radius
    centre = stack[None, :, rows:-rows, columns:-columns].astype(np.float32)
    mean, _ = sac.policy(torch.from_numpy(centre), torch.from_numpy(proprioception)[None])
    expected = np.tanh(mean.detach().numpy()[0])
    action = policy.act(stack, proprioception, deterministic=True)
    np.testing.assert_allclose(action, expected, atol=1e-6)
    assert action.shape == (DOF,) and action.dtype == np.float32
    policy.load(sac.policy_weights())  # type: ignore[arg-type]
    np.testing.assert_array_equal(policy.act(stack, proprioception, deterministic=True), action)


def test_exploration_is_reproducible() -> None:
    a, b, c = make_policy(1), make_policy(1), make_policy(2)
    actions = [np.stack([p.act(*observation(i)) for i in range(200)]) for p in (a, b, c)]
    assert np.array_equal(actions[0], actions[1]) and not np.array_equal(actions[0], actions[2])
    assert np.abs(actions[0]).max() < 1.0 and actions[0].std() > 0.5
    b._generator.set_state(a._generator.get_state())
    assert np.array_equal(a.act(*observation()), b.act(*observation()))


def test_the_noise_of_an_episode_does_not_depend_on_earlier_ones() -> None:
    """A resumed run continues with the noise of its next episode."""
    whole, resumed, actions = make_policy(1), make_policy(1), {}
    for episode in range(1, 5):
        whole.reseed(episode)
        actions[episode] = np.stack([whole.act(*observation()) for _ in range(3 + episode)])
    resumed.reseed(4)
    again = np.stack([resumed.act(*observation()) for _ in range(7)])
    assert np.array_equal(again, actions[4])
    assert not np.isin(actions[4], actions[1]).any()


def test_bad_weights_are_refused_and_the_old_ones_kept() -> None:
    sac, policy = make_sac(seed=1), make_policy()
    before = policy.act(*observation(), deterministic=True)
    good = policy_bytes(sac)
    nan = sac.policy_weights()
    nan["actor.layers.1.weight"][0, 0] = np.nan  # type: ignore[index]
    for bad, message in ((good[:-8], "damaged"), (b"{}", "damaged"), (nan, "not finite"), ({}, "another network")):
        with pytest.raises(ValueError, match=message):
            policy.load(bad)  # type: ignore[arg-type]
    other = Policy(IMAGE, NetworkSettings(channels=[4, 6], strides=[2, 1], hidden=[8, 8]), DOF, 0)
    with pytest.raises(ValueError, match="another network"):
        other.load(good)
    np.testing.assert_array_equal(policy.act(*observation(), deterministic=True), before)


def test_an_observation_of_another_shape_is_refused() -> None:
    stack, proprioception = observation()
    with pytest.raises(ValueError, match="are not"):
        make_policy().act(stack[:, 1:], proprioception)
    with pytest.raises(ValueError, match="are not"):
        make_policy().act(stack, proprioception[1:])


def test_the_actors_stack_equals_the_replays() -> None:
    stack, replay = FrameStack(IMAGE), make_replay()
    seen: dict[int, np.ndarray] = {}
    for number in range(12):
        episode, step = divmod(number, 6)
        row = make_transition(number, episode + 1, step, first=step == 0, last=step == 5)
        (stack.push if step else stack.reset)(row.observation.frame)
        seen[number] = stack.stack
        replay.add(row)
    batch = replay.sample(50)
    for i, k in enumerate(batch.index.tolist()):
        np.testing.assert_array_equal(batch.next_image[i], seen[k])
        np.testing.assert_array_equal(batch.image[i], seen[k - 1])


def test_a_stack_forgets_the_last_episode_and_refuses_other_sizes() -> None:
    stack = FrameStack(ImageSettings(width=16, height=16))
    for value in range(5):
        stack.push(np.full((16, 16, 3), value, np.uint8))
    assert stack.stack[::3, 0, 0].tolist() == [4, 3, 2]
    stack.reset(np.full((16, 16, 3), 9, np.uint8))
    assert stack.stack[::3, 0, 0].tolist() == [9, 9, 9]
    with pytest.raises(ValueError, match="expected uint8"):
        stack.push(np.zeros((2, 3, 3), np.uint8))


def test_prefetching_gives_whole_batches_and_passes_errors_on() -> None:
    replay = make_replay(60)
    prefetcher = Prefetcher(replay, 8, torch.device("cpu"))
    with pytest.raises(ValueError, match="no transition"):
        prefetcher.next()
    for number in range(40):
        replay.add(make_transition(number, 1, number, first=number == 0))
    sac = make_sac()
    for _ in range(5):
        batch = prefetcher.next()
        assert (batch.next_proprioception[:, 0] - batch.proprioception[:, 0] == 1).all()
        assert torch.equal(batch.reward, batch.next_proprioception[:, 0])
        sac.update(batch)
    prefetcher.close()


def test_weights_of_another_type_are_refused() -> None:
    policy = make_policy()
    weights = {name: array.astype(np.float64) for name, array in make_sac(seed=1).policy_weights().items()}
    with pytest.raises(ValueError, match="float64, not torch.float32"):
        policy.load(weights)
