"""Sync and async differ in two connections, in the table and in the launch files."""

from __future__ import annotations

import pytest

from franka_reacher_rl.core.loop.wiring import WIRINGS, wires


def test_the_wirings_differ_in_two_inputs() -> None:
    sync, other = wires("sync"), wires("async")
    differing = {(n, i) for n in sync for i in sync[n] if sync[n][i] != other[n].get(i)}
    assert differing == {("actor", "tick"), ("learner", "update_request")}
    assert {n: set(sync[n]) for n in sync} == {n: set(other[n]) for n in other}


def test_without_a_learner_the_environment_ticks_the_actor() -> None:
    for wiring in WIRINGS:
        assert wires(wiring, evaluate=True)["actor"]["tick"] == "environment/cycle"


def test_an_unknown_wiring_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown wiring 'asinc': choose sync or async"):
        wires("asinc")
