"""What is remembered of one episode while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class EpisodeRecord:
    """Sums and samples of one episode, in the order of its steps."""

    episode: int
    started: float = 0.0  # s
    episode_return: float = 0.0
    steps: int = 0
    lateness: list[float] = field(default_factory=list)  # s
    observation_age: list[float] = field(default_factory=list)  # s
    response_time: list[float] = field(default_factory=list)  # s
    policy_age: list[float] = field(default_factory=list)  # s
    policy_age_steps: list[int] = field(default_factory=list)
    policy_version: int = 0

    def add_cycle(self, reward: float, lateness: float) -> None:
        """A step's outcome was observed."""
        self.steps += 1
        self.episode_return += reward
        self.lateness.append(lateness)

    def add_action(
        self, version: int, observation_age: float, response_time: float, policy_age: float, policy_age_steps: int
    ) -> None:
        """A step's action went out; times in s."""
        self.policy_version = version
        self.observation_age.append(observation_age)
        self.response_time.append(response_time)
        self.policy_age.append(policy_age)
        self.policy_age_steps.append(policy_age_steps)

    def late_cycles(self, threshold: float) -> int:
        """Cycles more than `threshold` (s) late."""
        return sum(late > threshold for late in self.lateness)
