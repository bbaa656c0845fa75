"""The environment's inputs as they arrive over their topics."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from franka_reacher_rl.core.base.datatypes import MOST, Frame, Nanoseconds, RobotState
from franka_reacher_rl.core.loop.events import BridgeCounters, Sensed
from franka_reacher_rl.core.loop.frame_check import FrameCheck

MAX_WAITING = 8  # frames or rewards that wait for their counterpart
MAX_AGE: Nanoseconds = 500_000_000  # an older frame or robot state ends the episode

Image = TypeVar("Image")


class Inputs(Generic[Image]):
    """Keeps the newest frame with its reward and the newest robot state: the environment's `Senses`.

    A frame counts once its reward is there. Both carry the stamp of the capture, and may arrive in any order. A frame
    that cannot be used is counted, and the one before it stays the newest.
    """

    def __init__(self, decode: Callable[[Image], Frame], *, frozen: bool = True) -> None:
        """Start without inputs.

        Args:
            decode: Returns the frame of an image, or raises ValueError; called when an observation is taken.
            frozen: Whether to refuse frames that do not change while the arm moves.
        """
        self._decode = decode
        self._images: OrderedDict[Nanoseconds, tuple[Nanoseconds, Image]] = OrderedDict()
        self._rewards: OrderedDict[Nanoseconds, tuple[float, float]] = OrderedDict()  # with the coverage
        # Captured, image and reward; not yet looked at.
        self._next: tuple[Nanoseconds, Image, tuple[float, float]] | None = None
        self._image: Image | None = None  # the newest one with a reward that can be used
        self._frame: Frame | None = None  # that image
        self._captured: Nanoseconds = 0
        self._reward = (0.0, 0.0)
        self._check = FrameCheck(frozen=frozen)
        self._refused: Counter[str] = Counter()
        self._problem = ""  # of the last frame
        self._state: RobotState | None = None
        self.measured: Nanoseconds = 0  # when the robot state was measured
        self._held = 0.0  # s
        self._counted: tuple[int, int] | None = None

    @property
    def image(self) -> Image | None:
        """The newest image with a reward that can be used, as it arrived."""
        self._look()
        return self._image

    def on_image(self, stamp: Nanoseconds, captured: Nanoseconds, image: Image) -> None:
        """Take an image.

        Args:
            stamp: Of its message; the reward has the same.
            captured: When it was captured, by the loop's clock.
            image: As `decode` takes it.
        """
        self._images[stamp] = (captured, image)
        self._pair(stamp)

    def on_reward(self, stamp: Nanoseconds, reward: float, coverage: float) -> None:
        """Take the reward of the image with the same stamp, and the share of it that the target covers."""
        self._rewards[stamp] = reward, coverage
        self._pair(stamp)

    def on_robot_state(self, measured: Nanoseconds, state: RobotState, held_seconds: float) -> None:
        """Take a robot state.

        Args:
            measured: When it was measured, by the loop's clock.
            state: Joint state and applied command.
            held_seconds: For which the bridge has held the arm so far because commands had ceased, s.
        """
        self._state, self.measured, self._held = state, measured, held_seconds

    def on_counters(self, watchdog_stops: int, commands_limited: int) -> None:
        """Take the bridge's counters."""
        self._counted = (watchdog_stops, commands_limited)

    def read(self, now: Nanoseconds) -> Sensed:
        """Return the newest frame, reward and robot state; there must be some."""
        self._look()
        assert self._frame is not None and self._state is not None, "read() without inputs"
        return Sensed(self._frame, *self._reward, self._captured, self._state.proprioception())

    def missing(self, now: Nanoseconds) -> str:
        """Name the input that is missing or too old; empty if there is none."""
        self._look()
        why = f" (the last one was {self._problem})" if self._problem else ""
        if self._image is None:
            return f"a frame with its reward on `image` and `reward`{why}"
        if now - self._captured > MAX_AGE:
            return f"a fresh frame: the newest is {1e-9 * (now - self._captured):.1f} s old{why}"
        if self._state is None:
            return "the robot's state on `robot_state`"
        if now - self.measured > MAX_AGE:
            return f"a fresh robot state: the newest is {1e-9 * (now - self.measured):.1f} s old"
        return ""

    def since(self, time: Nanoseconds) -> bool:
        """Return whether frame and robot state were both measured at or after a time."""
        self._look()
        return self._image is not None and self._captured >= time and self.measured >= time

    def counters(self) -> BridgeCounters | None:
        """Return the bridge's counters, or None before the first."""
        if self._counted is None:
            return None
        watchdog_stops, commands_limited = self._counted
        return BridgeCounters(watchdog_stops, self._held, commands_limited)

    def refused(self) -> Mapping[str, int]:
        """Return how many frames and rewards were not used so far, by reason."""
        return self._refused

    def _look(self) -> None:
        """Take the next frame if it can be used."""
        if self._next is None:
            return
        (captured, image, reward), self._next = self._next, None
        try:
            if not abs(reward[0]) <= MOST:
                raise ValueError("its reward is not finite")
            frame = self._decode(image)
        except ValueError as error:
            self._problem = f"unusable: {error}"
        else:
            self._problem = self._check.problem(frame, None if self._state is None else self._state.q)
            if not self._problem:
                self._image, self._frame, self._captured, self._reward = image, frame, captured, reward
                return
        self._refused[self._problem.partition(":")[0]] += 1

    def _pair(self, stamp: Nanoseconds) -> None:
        if stamp in self._images and stamp in self._rewards:
            (captured, image), reward = self._images.pop(stamp), self._rewards.pop(stamp)
            # By the loop's clock: after a step back of the wall clock, stamps of new frames are the smaller ones.
            newest = self._captured if self._next is None else self._next[0]
            if captured > newest or (self._next is None and self._image is None):
                self._next = captured, image, reward
        waiting: OrderedDict[Nanoseconds, Any]
        for waiting in (self._images, self._rewards):
            while len(waiting) > MAX_WAITING:
                waiting.popitem(last=False)
                self._refused["frame without a reward" if waiting is self._images else "reward without a frame"] += 1
