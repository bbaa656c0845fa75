"""The thread that answers update requests, so that storing a transition never waits for an update."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from franka_reacher_rl.core.base.datatypes import StepId, Tick, Transition
from franka_reacher_rl.core.base.settings import LearnerSettings
from franka_reacher_rl.core.learning.machine import prepare_learner
from franka_reacher_rl.core.learning.stopwatch import Stopwatch
from franka_reacher_rl.core.learning.trainer import Trainer
from franka_reacher_rl.core.link.receiver import Receiver
from franka_reacher_rl.core.link.sender import Gap
from franka_reacher_rl.core.loop.gate import UpdateBudget
from franka_reacher_rl.core.loop.learner import Learner

_PATIENCE = 0.1  # s between two looks at the rules without an event


class UpdateThread:
    """Runs the learner's rules in real time: events come from any thread, updates run in one of their own.

    A policy is published before the answer that names its version.

    After an update whose losses or weights are not finite, the thread stops updating, publishing and saving. It goes on
    answering requests, without updates and with the last policy's version, so that no graph waits for it for ever.

    Attributes:
        failure: What ended the thread; None while it runs.
        stopped: Why it no longer updates; empty: it does.
    """

    def __init__(
        self,
        trainer: Trainer,
        settings: LearnerSettings,
        publish_policy: Callable[[], None],
        publish_answer: Callable[[Tick], None],
        run_id: str = "",
    ) -> None:
        """Start nothing yet.

        Args:
            trainer: Replay and networks.
            settings: Budget, checkpoint period, and how the thread uses the machine.
            publish_policy: Called from the thread at its start and after each update.
            publish_answer: Called from the thread with each answer.
            run_id: Identifier of the run, saved with its checkpoints.
        """
        self._trainer, self._settings = trainer, settings
        self._publish_policy, self._publish_answer = publish_policy, publish_answer
        self._run_id = run_id
        self.stopwatch = Stopwatch()
        budget = UpdateBudget(settings.warmup_steps, settings.max_updates_per_step)
        self._rules = Learner(trainer, budget, self.stopwatch)
        self._receiver = Receiver()
        self._changed = threading.Condition()
        self._stopping = self._updated = False
        self._checkpoint_due = time.monotonic()  # the first policy is saved at once
        self.failure: BaseException | None = None
        self.stopped = ""
        self._thread = threading.Thread(target=self._run, name="updates", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Finish the current update and end the thread, within a timeout in s."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)

    def on_transition(self, transition: Transition) -> None:
        """Store a transition.

        Raises:
            ValueError: It cannot be stored.
        """
        with self._changed:
            self._rules.on_transition(transition)
            self._changed.notify()

    def on_spooled(self, number: int, transition: Callable[[], Transition]) -> None:
        """Take a transition that a spool has numbered. One that is not the next is ignored, since the spool repeats it.

        Args:
            number: Its number.
            transition: Returns it.

        Raises:
            ValueError: It cannot be converted or stored; it counts as received.
        """
        with self._changed:
            if self._receiver.accept(number):
                self._rules.on_transition(transition())
                self._changed.notify()

    def on_gap(self, gap: Gap) -> None:
        """Take note of transitions that their spool does not have any more."""
        with self._changed:
            self._receiver.skip(gap.first, gap.last)

    @property
    def received(self) -> int:
        """Number of the last spooled transition that was received, with all before it."""
        return self._receiver.received

    @property
    def missing(self) -> int:
        """Number of transitions that their spool has lost."""
        return self._receiver.missing

    @property
    def ended(self) -> int:
        """Number of the last episode whose final observation is stored."""
        return self._rules.ended

    def on_request(self, tick: Tick) -> None:
        """Take an update request."""
        with self._changed:
            self._rules.on_request(tick)
            self._changed.notify()

    def resume_after(self, newest: StepId, received: int = 0, missing: int = 0) -> None:
        """Continue a run whose stored transitions end with a step; before `start`.

        Args:
            newest: The step.
            received: Number of the last spooled transition that was received.
            missing: Transitions that their spool has lost.
        """
        self._rules.resume_after(newest)
        self._receiver = Receiver(received, missing)

    def save(self, wait: bool = False) -> bool:
        """Save a checkpoint between two updates; see `Trainer.save`."""
        with self._changed:  # no transition arrives meanwhile, so the rows are those that `received` counts
            extra = {"run_id": self._run_id, "received": self._receiver.received, "missing": self._receiver.missing}
            return self._trainer.save(extra, wait=wait)

    def _run(self) -> None:
        try:
            # Niceness and cores belong to a thread and the threads it starts; the caller keeps its own.
            prepare_learner(self._settings.threads, self._settings.nice, self._settings.cores)
            self._trainer.start()
            self._publish_policy()
            while not self._stopping:
                self._step()
                self._save_if_due()
        except BaseException as error:  # the owner reports it
            self.failure = error

    def _step(self) -> None:
        """Answer one request, or wait a moment for what is missing."""
        with self._changed:
            work = self._rules.next()
            if work is None:
                self._changed.wait(_PATIENCE)
                return
        if work.update and not self._update():
            self._stop_updates()
        self._publish_answer(self._rules.answer(work))

    def _update(self) -> bool:
        """Update, check and publish; return whether the result is finite."""
        with self.stopwatch.part("sampling"):
            batch = self._trainer.sample()
        with self.stopwatch.part("update"):
            self._trainer.update(batch)
            if not self._trainer.check_update():
                return False
            if self._settings.extra_update_time:
                time.sleep(self._settings.extra_update_time)
        with self.stopwatch.part("publishing"):
            self._publish_policy()
        if not self._updated:  # so that a run which ends early has a trained policy
            self._updated, self._checkpoint_due = True, time.monotonic()
        return True

    def _save_if_due(self) -> None:
        now, period = time.monotonic(), self._settings.checkpoint_period
        due = now >= self._checkpoint_due and not self._trainer.saving  # else as soon as the last one is written
        if period and due and not self.stopped:
            with self.stopwatch.part("checkpointing"):
                self.save()
            self._checkpoint_due = now + period
            if self._trainer.problem:
                self._stop_updates()

    def _stop_updates(self) -> None:
        with self._changed:
            self._rules.stop_updates()
        self.stopped = self._trainer.problem
