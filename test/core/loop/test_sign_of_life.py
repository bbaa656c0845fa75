"""Whether a node that reports regularly is still there."""

from franka_reacher_rl.core.loop.sign_of_life import SignOfLife

SECOND = 1_000_000_000


def test_a_node_is_alive_for_as_long_as_its_timeout() -> None:
    node = SignOfLife(2.0)
    assert not node.well(0) and "no sign of life yet" in node.silence(0)
    node.heard(SECOND)
    assert node.well(3 * SECOND) and node.silence(3 * SECOND) == ""
    assert not node.well(3 * SECOND + 1) and "silent for 5 s" in node.silence(6 * SECOND)
    node.heard(7 * SECOND, well=False)
    assert not node.well(7 * SECOND), "it is there, but not well"
    node.heard(8 * SECOND)
    node.forget()
    assert not node.well(8 * SECOND)
