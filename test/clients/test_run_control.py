"""A person pauses, resumes and aborts the run of a graph from the command line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
import rclpy.client
import rclpy.service
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from franka_reacher_rl.cli import main
from franka_reacher_rl.clients import run_control
from franka_reacher_rl.clients.run_control import ask


@pytest.fixture
def environment(ros: Callable[..., None]) -> Iterator[Callable[..., list[str]]]:
    """Starts an environment that has the services only; returns what they were asked for."""
    ends: list[Callable[[], None]] = []

    def start(namespace: str = "/", success: bool = True) -> list[str]:
        ros()
        node = rclpy.create_node("environment", namespace=namespace)
        calls: list[str] = []

        def answer(verb: str) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
            def on_call(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
                calls.append(verb)
                response.success, response.message = success, f"answer to {verb}"
                return response

            return on_call

        for verb in ("pause", "resume", "abort"):
            node.create_service(Trigger, f"~/{verb}", answer(verb))
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin)
        thread.start()

        def end() -> None:
            executor.shutdown()
            thread.join()
            node.destroy_node()

        ends.append(end)
        return calls

    yield start
    for end in ends:
        end()


def test_the_environments_answer_is_printed(environment, capsys: pytest.CaptureFixture[str]) -> None:
    calls = environment()
    for verb in ("pause", "resume", "abort"):
        assert main([verb]) == 0
        assert capsys.readouterr().out == f"answer to {verb}\n"
    assert calls == ["pause", "resume", "abort"]


def test_a_refusal_is_a_failure(environment, capsys: pytest.CaptureFixture[str]) -> None:
    environment("/left", success=False)
    assert main(["pause", "--namespace", "left"]) == 1
    assert capsys.readouterr().err == "answer to pause\n"


def test_a_graph_in_another_namespace_is_named(environment) -> None:
    environment("/left")
    with pytest.raises(ValueError, match=r"no environment offers /environment/pause in domain \d+ .*--namespace /left"):
        ask("pause", patience=1.0)


def test_without_a_graph_the_reason_is_given(ros) -> None:
    ros()
    with pytest.raises(ValueError, match=rf"in domain {os.environ['ROS_DOMAIN_ID']} within 0.3 s; no graph is running"):
        ask("abort", "right", patience=0.3)


def test_a_lost_answer_is_asked_for_again(environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_control, "_REPEAT", 0.2)
    calls, sent = environment(), rclpy.service.Service.send_response

    def send(service: rclpy.service.Service, response: Trigger.Response, header: Any) -> None:
        if len(calls) > 1:
            sent(service, response, header)

    monkeypatch.setattr(rclpy.service.Service, "send_response", send)
    assert ask("pause") == (True, "answer to pause")
    assert calls == ["pause", "pause"]


def test_a_run_that_ends_without_an_answer_is_aborted(environment, monkeypatch: pytest.MonkeyPatch) -> None:
    environment()
    ready = iter([True, True])
    monkeypatch.setattr(rclpy.client.Client, "service_is_ready", lambda client: next(ready, False))
    monkeypatch.setattr(run_control, "_REPEAT", 0.0)
    monkeypatch.setattr(rclpy.service.Service, "send_response", lambda *_: None)
    assert ask("abort") == (True, "the run has ended")
