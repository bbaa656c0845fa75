"""The summary of one episode: the same fields in `episodes.csv`, in experiment tables and in the message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from math import nan
from typing import Any

import numpy as np

from franka_reacher_rl.core.base.datatypes import Action, EndReason, Nanoseconds
from franka_reacher_rl.core.base.quantiles import median, quantile
from franka_reacher_rl.core.base.settings import EpisodeSettings
from franka_reacher_rl.core.task.success import Success

UNKNOWN = nan


@dataclass(frozen=True, kw_only=True)
class EpisodeSummary:
    """One episode. Unknown values are NaN, and empty cells in a table.

    The first group is the environment's, the second the robot bridge's, the third the learner's. The learner's seconds
    and counters cover the time since the summary before.
    """

    episode: int
    episode_return: float  # sum of the rewards, which assume the nominal cycle time
    coverage_return: float  # the same with each step's measured duration: comparable where cycles were late
    steps: int
    duration: float  # s from the first to the final observation
    training_seconds: float  # s, of all episodes so far, resets excluded
    run_seconds: float  # s since the run began, resets included
    total_steps: int  # of all episodes so far
    policy_version: int  # of the last action
    terminated: bool
    truncated: bool
    end_reason: str  # a value of EndReason
    cycle_ms: float  # nominal
    late_cycles: int  # later than EpisodeSettings.late_ms
    lateness_ms_median: float
    lateness_ms_p99: float
    lateness_ms_max: float
    observation_age_ms_median: float  # from the frame's capture to the command
    observation_age_ms_p99: float
    response_time_ms_median: float  # from the observation being taken to the command
    response_time_ms_p99: float
    policy_age_s_median: float
    policy_age_steps_median: float
    reset_seconds: float = UNKNOWN  # s, of the reset before this episode
    target_at_start: float = UNKNOWN  # 1: the first frame showed the target; 0: it did not
    success: float = UNKNOWN  # 1: the target was reached (EpisodeSettings.success_coverage); 0: it was not
    time_to_reach: float = UNKNOWN  # s from the first observation until the target filled that share; unknown: never
    refused_inputs: str = ""  # frames and rewards that were not used, by reason

    watchdog_stops: float = UNKNOWN  # times the commands ceased for longer than the bridge's timeout
    held_seconds: float = UNKNOWN  # s during which the bridge held the arm because commands had ceased
    commands_limited: float = UNKNOWN  # commands that the safety filter changed

    updates: float = UNKNOWN  # gradient updates of the run
    updates_per_s: float = UNKNOWN
    stored_steps: float = UNKNOWN  # transitions ever stored
    learner_waiting_for_data: float = UNKNOWN  # s
    learner_waiting_for_budget: float = UNKNOWN  # s
    learner_waiting_for_request: float = UNKNOWN  # s
    learner_sampling: float = UNKNOWN  # s
    learner_batch_transfer: float = UNKNOWN  # s
    learner_update: float = UNKNOWN  # s
    learner_publishing: float = UNKNOWN  # s
    learner_checkpointing: float = UNKNOWN  # s
    critic_loss: float = UNKNOWN
    actor_loss: float = UNKNOWN
    temperature_loss: float = UNKNOWN
    temperature: float = UNKNOWN
    entropy: float = UNKNOWN
    q_mean: float = UNKNOWN

    wall_seconds: float = UNKNOWN  # s of this machine since the summary before

    def with_values(self, values: Mapping[str, Any]) -> EpisodeSummary:
        """Return a copy with other values for the named fields; names that are no fields are ignored."""
        return replace(self, **{name: value for name, value in values.items() if name in COLUMNS})

    def row(self) -> dict[str, Any]:
        """Return the summary as a row of a table."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> EpisodeSummary:
        """Read a row of a CSV file; an empty or missing cell is unknown.

        Raises:
            ValueError: A cell is not of its field's type.
        """
        return cls(**{f.name: _parsed(row.get(f.name, ""), str(f.type)) for f in fields(cls)})


COLUMNS = tuple(f.name for f in fields(EpisodeSummary))
LEARNER_PARTS = (  # where the learner's time goes; columns have the prefix `learner_`
    "waiting_for_data",
    "waiting_for_budget",
    "waiting_for_request",
    "sampling",
    "batch_transfer",
    "update",
    "publishing",
    "checkpointing",
)
CYCLE_COLUMNS = ("observation_age", "response_time", "policy_age", "lateness")  # one value per cycle, s
LOSSES = ("critic_loss", "actor_loss", "temperature_loss", "temperature", "entropy", "q_mean")
MACHINE_COLUMNS = ("wall_seconds",)  # the only ones in which equal runs in virtual time differ


@dataclass
class EpisodeRecord:
    """What the environment records of an episode while it runs, in the order of its steps."""

    episode: int
    cycle_ms: float = UNKNOWN  # nominal
    started: Nanoseconds = 0
    episode_return: float = 0.0
    coverage_return: float = 0.0
    steps: int = 0
    lateness: list[float] = field(default_factory=list)  # s
    observation_age: list[float] = field(default_factory=list)  # s
    response_time: list[float] = field(default_factory=list)  # s
    policy_age: list[float] = field(default_factory=list)  # s
    policy_age_steps: list[int] = field(default_factory=list)
    policy_version: int = 0
    target_at_start: bool = True  # whether the first frame showed the target
    success: Success = field(default_factory=lambda: Success(EpisodeSettings()))
    _seconds: float = 0.0  # since the first observation

    @classmethod
    def begin(
        cls, episode: int, settings: EpisodeSettings, now: Nanoseconds, reward: float, coverage: float
    ) -> EpisodeRecord:
        """Return the record of an episode whose first frame has a reward and a coverage.

        The reward tells whether the target is in view, because a reward node need not publish a coverage.
        """
        record = cls(episode, settings.cycle_ms, now, target_at_start=reward > 0.0, success=Success(settings))
        record.success.take(0.0, coverage)
        return record

    def add_cycle(self, reward: float, coverage: float, lateness: float, duration: Nanoseconds) -> None:
        """Record the outcome of a step.

        Args:
            reward: Of the step.
            coverage: Share of the image that the target covers.
            lateness: Of the observation after it, s.
            duration: Measured from the step's observation to the one after it.
        """
        self.steps += 1
        self.episode_return += reward
        self.coverage_return += reward * 1e-6 * duration / self.cycle_ms
        self.lateness.append(lateness)
        self._seconds += 1e-9 * duration
        self.success.take(self._seconds, coverage)

    def add_action(self, action: Action) -> None:
        """Record an action that was sent."""
        self.policy_version = action.policy_version
        self.observation_age.append(action.observation_age)
        self.response_time.append(action.response_time)
        self.policy_age.append(action.policy_age)
        self.policy_age_steps.append(action.policy_age_steps)

    def late_cycles(self, threshold: float) -> int:
        """Return how many observations were more than `threshold` (s) late."""
        return sum(late > threshold for late in self.lateness)

    def summary(self, end: EndReason, *, late_ms: float, **context: Any) -> EpisodeSummary:
        """Return the summary of the episode.

        Args:
            end: Why it ended.
            late_ms: Lateness from which a cycle counts as late.
            **context: The fields that the record does not know.
        """
        late, age, response = (
            [1e3 * value for value in values] for values in (self.lateness, self.observation_age, self.response_time)
        )
        return EpisodeSummary(
            episode=self.episode,
            episode_return=self.episode_return,
            coverage_return=self.coverage_return,
            steps=self.steps,
            policy_version=self.policy_version,
            terminated=False,
            truncated=True,
            end_reason=end.value,
            cycle_ms=self.cycle_ms,
            late_cycles=self.late_cycles(late_ms / 1e3),
            lateness_ms_median=median(late),
            lateness_ms_p99=quantile(late, 0.99),
            lateness_ms_max=float(np.max(late)) if late else UNKNOWN,
            observation_age_ms_median=median(age),
            observation_age_ms_p99=quantile(age, 0.99),
            response_time_ms_median=median(response),
            response_time_ms_p99=quantile(response, 0.99),
            policy_age_s_median=median(self.policy_age),
            policy_age_steps_median=median(self.policy_age_steps),
            target_at_start=float(self.target_at_start),
            success=float(self.success.reached),
            time_to_reach=self.success.time_to_reach if self.success.reached else UNKNOWN,
            **context,
        )


def _parsed(text: str, kind: str) -> Any:
    if kind == "str":
        return text
    if kind == "bool":
        return text == "True"
    if kind == "int":
        return int(text)
    return float(text) if text else UNKNOWN
