"""The board of `./reacher watch`."""

from __future__ import annotations

import math

from rich.console import Console

from franka_reacher_rl.core.base.datatypes import EndReason
from franka_reacher_rl.core.task.summary import EpisodeRecord
from franka_reacher_rl.watch.board import Board, sparkline


def text(board: Board, now: float = 0.0) -> str:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(board.render(now))
    return console.export_text()


def episode(number: int, value: float) -> EpisodeRecord:
    return EpisodeRecord(number, 40.0, episode_return=value)


def add(board: Board, number: int, value: float, planned: int = 60) -> None:
    times = {"duration": 6.0, "training_seconds": 6.0, "run_seconds": 8.0, "total_steps": 150}
    board.on_episode(episode(number, value).summary(EndReason.TIME_LIMIT, late_ms=5.0, **times), planned)


def test_an_empty_board_has_all_tables() -> None:
    shown = text(Board())
    assert "episode" in shown and "updates/s" in shown and "node" in shown


def test_episodes() -> None:
    board = Board()
    for number in (1, 2, 2, 3):
        add(board, number, 100.0 * number)
    assert [summary.episode for summary in board.episodes] == [1, 2, 3]
    shown = text(board)
    assert "3/60" in shown and "300.0" in shown and "0 of 3" in shown and "time_limit" in shown


def test_another_run_begins_anew() -> None:
    board = Board()
    for number in (1, 2, 1):
        add(board, number, 50.0)
    assert [summary.episode for summary in board.episodes] == [1]


def test_times_of_the_last_minute() -> None:
    board = Board()
    board.on_action(-100.0, 5.0, 5.0, 5.0, 5.0)  # too old
    for step in range(26):
        board.on_action(0.04 * step, 0.015, 0.002, 0.0005, 0.128)
    shown = text(board, 1.0)
    assert "25.0 actions/s" in shown and "15.0" in shown and "0.5" in shown and "128.0" in shown and "5000" not in shown


def test_nodes_and_silence() -> None:
    board = Board("left")
    board.on_status(0.0, "camera", 1, "no frames: is it plugged in? [red]")
    board.on_status(9.0, "actor", 0, "acting")
    shown = text(board, 10.0)
    assert "node in left" in shown and "silent" in shown and "for 10 s" in shown and "OK" in shown and "acting" in shown


def test_the_worst_nodes_come_first() -> None:
    board = Board()
    for name, level in (("a", 0), ("b", 1), ("c", 2), ("d", 0), ("e", 200)):
        board.on_status(9.0 if name != "d" else 0.0, name, level, f"status of {name}")
    shown = text(board, 10.0)
    assert [shown.index(f"\n {name} ") for name in "decba"] == sorted(shown.index(f"\n {name} ") for name in "abcde")


def test_a_graph_that_has_ended() -> None:
    board = Board()
    board.on_status(0.0, "camera", 0, "60 frames per second")
    assert not board.notice(1.0)
    assert board.notice(10.0) == "no node has been heard for 10 s: the graph has ended"
    assert "the graph has ended" in text(board, 10.0)


def test_what_ends_a_fault_or_a_stop_of_the_arm() -> None:
    board = Board("left")
    board.on_status(0.0, "robot_bridge", 2, "no joint state")
    board.on_robot("fault", "no joint state")
    arm = "ros2 service call /left/robot_bridge/arm std_srvs/srv/Trigger"
    assert board.notice(0.0) == f"the arm has a fault: no joint state; once the cause is fixed: {arm}"
    board.on_robot("stopped", "")
    assert board.notice(0.0) == f"the arm is stopped; to continue, when it is safe: {arm}"
    board.on_robot("running", "")
    assert not board.notice(0.0)


def test_no_graph() -> None:
    assert "no node of a graph is heard in left; check ROS_DOMAIN_ID" in text(Board("left"))


def test_graphs_in_other_namespaces() -> None:
    board = Board("middle")
    for namespace in ("right", "left", ""):
        board.on_other(namespace)
    assert "give no --namespace or --namespace left or --namespace right" in board.notice(0.0)
    board.on_status(0.0, "camera", 0, "")
    assert not board.notice(1.0)


def test_markup_of_a_message_is_shown_as_it_is() -> None:
    board = Board()
    board.on_status(0.0, "camera[/]", 2, "[red]broken[/]")
    board.on_robot("fault", "no [/joint] state")
    board.on_learner({}, "[/]waits")
    shown = text(board)
    assert all(part in shown for part in ("camera[/]", "[red]broken[/]", "fault: no [/joint] state", "[/]waits"))


def test_control_characters_do_not_reach_the_terminal() -> None:
    board = Board()
    board.on_status(0.0, "camera", 2, "a\x1b[2Jb")
    assert "a [2Jb" in text(board)


def test_the_number_of_nodes_is_limited() -> None:
    board = Board()
    for number in range(1000):
        board.on_status(0.0, f"node{number}", 0, "")
    assert len(board.nodes) == 50


def test_sparkline() -> None:
    assert sparkline([0.0, 50.0, 100.0]) == "▁▅█"
    assert sparkline([math.nan, -5.0, 10.0]) == "▁█"
    assert sparkline([0.0, 0.0]) == "▁▁" and sparkline([]) == ""
