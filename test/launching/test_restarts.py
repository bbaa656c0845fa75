"""How often a node may die."""

from franka_reacher_rl.launching.restarts import MAX_DEATHS, WINDOW, Restarts


def test_few_deaths_within_the_window_are_allowed() -> None:
    restarts = Restarts()
    assert restarts.first("actor")
    assert [restarts.allowed("actor", float(i)) for i in range(MAX_DEATHS)] == [True] * (MAX_DEATHS - 1) + [False]
    assert not restarts.first("actor") and restarts.allowed("learner", 5.0), "each node has its own count"


def test_old_deaths_do_not_count() -> None:
    restarts = Restarts()
    assert all(restarts.allowed("actor", i * WINDOW / (MAX_DEATHS - 2)) for i in range(20))
