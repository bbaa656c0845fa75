"""The rules by which the learner answers: lockstep in sync, free within the budget in async."""

from franka_reacher_rl.core.base.datatypes import StepId
from franka_reacher_rl.core.loop.gate import Answer, RequestGate, UpdateBudget


def test_budget_counts_steps_after_the_warmup():
    budget = UpdateBudget(warmup_steps=10, max_updates_per_step=0.5)
    assert not budget.allowed(10, 0) and not budget.allowed(11, 0)
    assert budget.allowed(12, 0) and not budget.allowed(12, 1)
    assert budget.warming_up(10) and not budget.warming_up(11)


def test_async_starts_by_itself_and_keeps_within_the_budget():
    gate, updates = RequestGate(UpdateBudget(5, 1.0)), 0
    for stored in range(20):
        while gate.decide(StepId(1, stored), stored, updates) is Answer.UPDATE:
            gate.request(gate.answer())
            updates += 1
        expected = Answer.WAIT_FOR_DATA if stored <= 5 else Answer.WAIT_FOR_BUDGET
        assert gate.decide(StepId(1, stored), stored, updates) is expected
        assert updates == max(0, stored - 5)


def test_sync_updates_once_per_step_after_the_warmup():
    gate, updates, stored = RequestGate(UpdateBudget(8, 1.0)), 0, 0
    for episode in (1, 2, 3):
        for step in range(6):
            gate.request(StepId(episode, step))
            before = StepId(episode, step - 1) if step else StepId(episode - 1, 5)
            assert gate.decide(before, stored, updates) is Answer.WAIT_FOR_DATA
            stored += step > 0
            decision = gate.decide(StepId(episode, step), stored, updates)
            assert decision is (Answer.UPDATE if step and stored > 8 else Answer.ANSWER)
            updates += decision is Answer.UPDATE
            assert gate.answer() == StepId(episode, step)
            assert gate.decide(StepId(episode, step), stored, updates) is Answer.WAIT_FOR_REQUEST
    assert updates == stored - 8


def test_a_new_step_replaces_the_echo_and_an_answered_one_is_ignored():
    gate = RequestGate(UpdateBudget(0, 1.0))
    gate.request(StepId(2, 3))
    assert gate.answer() == StepId(2, 3)
    gate.request(StepId(1, 9))
    assert gate.pending is None


def test_a_stray_request_does_not_block_those_after_it():
    gate = RequestGate(UpdateBudget(0, 1.0))
    gate.request(StepId(700, 3))
    gate.request(StepId(1, 4))
    assert gate.decide(StepId(1, 4), 4, 9) is Answer.ANSWER and gate.answer() == StepId(1, 4)
