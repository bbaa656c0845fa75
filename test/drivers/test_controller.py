"""Tests of what the topic driver concludes about a controller from its answers."""

from dataclasses import replace

import pytest

from franka_reacher_rl.drivers.controller import Facts

FACTS = Facts("/left/wheels", "/left/controller_manager", ["a", "b", "c"], ["a", "b", "c"], "velocity")


def test_a_velocity_controller_of_the_same_joints_is_used():
    assert FACTS.order() == [0, 1, 2]
    assert FACTS.waiting_for() == FACTS.mismatch() == FACTS.inactive() == ""


def test_the_order_is_that_of_the_controller():
    assert replace(FACTS, joints=["c", "a", "b"]).order() == [2, 0, 1]


@pytest.mark.parametrize("change", [{"joints": None}, {"interface": None}])
def test_an_answer_is_waited_for(change):
    facts = replace(FACTS, **change)
    assert facts.order() is None and "has not answered" in facts.waiting_for() and facts.mismatch() == ""


@pytest.mark.parametrize("interface", ["position", "effort"])
def test_only_velocity_is_accepted(interface):
    for facts in (replace(FACTS, interface=interface), replace(FACTS, interface="", driven=interface)):
        assert facts.order() is None
        assert f"/left/wheels commands the interface '{interface}', not 'velocity'" in facts.mismatch()
    assert "'position'" in replace(FACTS, driven="position").mismatch(), "the manager's word counts too"


def test_a_controller_without_interface_name_is_accepted_on_the_word_of_its_manager():
    facts = replace(FACTS, interface="")
    assert facts.order() is None and "no parameter `interface_name`" in facts.waiting_for()
    assert replace(facts, driven="velocity").order() == [0, 1, 2]


@pytest.mark.parametrize("joints", [[], ["a", "b"], ["a", "b", "c", "d"], ["a", "b", "b"], ["a", "b", "d"]])
def test_other_joints_are_refused(joints):
    facts = replace(FACTS, joints=joints)
    assert facts.order() is None
    assert f"has the joints {joints}, but the robot file has ['a', 'b', 'c']" in facts.mismatch()


@pytest.mark.parametrize("state", ["unconfigured", "inactive", "finalized"])
def test_the_line_that_activates_a_controller_names_it_and_its_manager(state):
    line = "ros2 control switch_controllers --activate wheels"
    assert replace(FACTS, state="active").inactive() == ""
    assert f"is {state}" in replace(FACTS, state=state).inactive()
    assert replace(FACTS, state=state).inactive().endswith(f"`{line} -c /left/controller_manager`")
    assert f"`{line}`" in replace(FACTS, name="/wheels", manager="/controller_manager", state=state).inactive()
