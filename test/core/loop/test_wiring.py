"""Sync and async differ in two connections, in the table and in the launch files."""

from __future__ import annotations

import pytest

from franka_reacher_rl.core.loop.wiring import LEARNER_PART, WIRINGS, wires


@pytest.mark.parametrize("two_machines", [False, True])
def test_the_wirings_differ_in_two_inputs(two_machines: bool) -> None:
    sync, other = (wires(wiring, two_machines=two_machines) for wiring in ("sync", "async"))
    differing = {(n, i) for n in sync for i in sync[n] if sync[n][i] != other[n].get(i)}
    assert differing == {("actor", "tick"), ("learner", "update_request")}
    assert {n: set(sync[n]) for n in sync} == {n: set(other[n]) for n in other}


def test_two_machines_have_an_uplink_in_between() -> None:
    one, two = wires("async"), wires("async", two_machines=True)
    assert set(two) - set(one) == {"uplink", "robot_recorder"}
    changed = {(n, i) for n in one for i in two[n] if one[n].get(i) != two[n][i]}
    assert changed == {("learner", "transition"), ("learner", "episode")}
    assert set(LEARNER_PART) <= set(one)


def test_without_a_learner_the_environment_ticks_the_actor() -> None:
    for wiring in WIRINGS:
        assert wires(wiring, evaluate=True)["actor"]["tick"] == "environment/cycle"


def test_an_unknown_wiring_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown wiring 'asinc': choose sync or async"):
        wires("asinc")
