"""The launch description of the graph, which both launch files share; the wiring table sets its remappings.

A mistake in the launch arguments prints one line and ends the launch with exit code 1.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import Parameter
from launch_ros.ros_adapters import get_ros_node

from franka_reacher_rl.core.base.paths import PACKAGE
from franka_reacher_rl.core.loop.wiring import ON_REQUEST
from franka_reacher_rl.core.run.next_steps import next_steps
from franka_reacher_rl.launching.arguments import ARGUMENTS, PART_ARGUMENTS, check_names, names_on_command_line
from franka_reacher_rl.launching.deactivation import BRAKING, deactivate
from franka_reacher_rl.launching.graph_lock import claim_graph
from franka_reacher_rl.launching.lifetime import Lifetime
from franka_reacher_rl.launching.middleware import discovery_settings, enclave_arguments, middleware_settings
from franka_reacher_rl.launching.plan import NICE, NICENESS, Plan
from franka_reacher_rl.launching.restarts import DELAY, DELAYS, MAX_DEATHS, WINDOW, Restarts
from franka_reacher_rl.launching.run_end import RunEnd
from franka_reacher_rl.launching.two_machines import Part, discovery_hint
from franka_reacher_rl.launching.viewers import state_publisher, viewers
from franka_reacher_rl.ros.node import END_WITH_PARENT, EXIT_BAD_SETTINGS, EXIT_CANNOT_START, REALTIME_PRIORITY

# Exit codes of a node that was asked to end. A signal may arrive before the node handles it, and asyncio reports 255
# for a process that exited at the moment it was signalled.
_REQUESTED = (0, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGQUIT, 255)

_SECONDS_TO_STOP = "40"  # s, for a learner that finishes an update and writes its files


def graph(wiring: str) -> LaunchDescription:
    """Return the launch description of a wiring, `sync` or `async`."""
    # Also for what is started beside the nodes, such as RViz, and for the node of the launch itself.
    local = [SetEnvironmentVariable(name, value) for name, value in discovery_settings(os.environ).items()]
    return LaunchDescription([*ARGUMENTS, *local, OpaqueFunction(function=start, args=[wiring])])


def part_of_graph(part: Part) -> LaunchDescription:
    """Return the launch description of one part of a run on two machines; an argument gives its wiring."""
    return LaunchDescription([*_arguments(part), OpaqueFunction(function=start, args=["", part])])


def _arguments(part: Part) -> list[DeclareLaunchArgument]:
    return ARGUMENTS if part is Part.ALL else [*ARGUMENTS, *PART_ARGUMENTS]


def start(context: LaunchContext, wiring: str, part: Part = Part.ALL) -> list[LaunchDescriptionEntity]:
    """Return what starts the graph or a part of it, or what ends the launch where its arguments are wrong."""
    leave_sigint_to_launch()
    try:
        check_names(names_on_command_line(context), _arguments(part))
        return _nodes(context, wiring, part)
    except (OSError, ValueError) as error:
        return fail(context, f"error: {error}")


def leave_sigint_to_launch() -> None:
    """Replace Python's handler of SIGINT, which raises KeyboardInterrupt wherever the launch process is.

    launch itself learns of the signal through its wake-up file descriptor. An exception while a process is being
    started would have launch lose that process and wait for it for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, frame: None)


def fail(context: LaunchContext, message: str) -> list[LaunchDescriptionEntity]:
    """Print a message, set exit code 1 of the launch and return what shuts it down.

    An exception would set the exit code too, but launch would print it as "Caught exception in launch". The event
    loop's exception handler prints the message as it is.
    """
    _set_failed(context, message)
    return [Shutdown(reason=message)]


def _set_failed(context: LaunchContext, message: str) -> None:
    context.asyncio_loop.call_exception_handler({"message": message})


def _nodes(context: LaunchContext, wiring: str, part: Part) -> list[LaunchDescriptionEntity]:
    values = {argument.name: context.launch_configurations[argument.name] for argument in _arguments(part)}
    plan = Plan(wiring or values["wiring"], values, part)
    hint = discovery_hint(os.environ, part) if part is not Part.ALL else ""
    over, end = [claim_graph(plan.namespace, part)], []
    if plan.run_dir:
        run_end = RunEnd(Path(plan.run_dir), plan.run_id)
        end = run_end.handlers(context)
        over += [run_end.release, lambda: _print_next_steps(Path(plan.run_dir))]
    nodes, restarts = [(name, _node(name, plan)) for name in plan.nodes], Restarts()
    return [
        LogInfo(msg=plan.summary()),
        *([LogInfo(msg=hint)] if hint else []),
        *Lifetime(over).handlers(),  # launch calls the handlers that come first last: the note precedes the release
        *end,
        *(
            RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_on_exit(name, plan, restarts)))
            for name, node in nodes
        ),
        *(node for _, node in nodes),
        *(_views(plan, values) if part is not Part.LEARNER else []),
    ]


def _print_next_steps(folder: Path) -> None:
    program = os.environ.get("REACHER_PROGRAM", "franka-reacher")
    launch = f"{program} launch" if program == "./reacher" else f"ros2 launch {PACKAGE}"
    for line in next_steps(folder, launch, program):
        print(line, flush=True)


def _views(plan: Plan, values: dict[str, str]) -> list[LaunchDescriptionEntity]:
    return [
        state_publisher(plan.robot_file, plan.namespace[1:], plan.frame_prefix, plan.params_file),
        *viewers(values, plan.robot, plan.namespace[1:], plan.frame_prefix),
    ]


def _node(name: str, plan: Plan) -> Node:
    """Return the action that starts a node.

    The parameters are separate, not a dictionary: launch_ros writes a dictionary for the node's full name, which would
    have precedence over the `/**` entries of a params_file.
    """
    own = [Parameter(key, value, value_type=type(value)) for key, value in plan.parameters(name).items()]
    executable = plan.executable(name)
    return Node(
        package=executable.package,
        executable=executable.name,
        name=name,
        namespace=plan.namespace or None,
        parameters=[str(plan.setting_path), *own, *([plan.params_file] if plan.params_file else [])],
        remappings=plan.remappings(name),
        ros_arguments=["--log-level", plan.log_level(name), *enclave_arguments(name, os.environ)],
        output="screen",
        additional_env={
            END_WITH_PARENT: "1",
            REALTIME_PRIORITY: str(plan.priority(name)),
            NICE: str(NICENESS.get(name, 0)),
            **middleware_settings(os.environ),
        },
        output_format="{line}" if plan.records(name) else "[{this.process_description.final_name}] {line}",
        respawn=True,  # unless the handler of its exit ends the launch
        respawn_delay=DELAYS.get(name, DELAY),
        sigterm_timeout=_SECONDS_TO_STOP,
        sigkill_timeout="10",
    )


def _on_exit(
    name: str, plan: Plan, restarts: Restarts
) -> Callable[[ProcessExited, LaunchContext], list[LaunchDescriptionEntity] | None]:
    """Return a handler of a node's exit.

    A node that was asked to end, or that cannot start, ends the graph. One that has died is started again, unless it
    dies too often; that makes the launch fail. A node that only shows or records the run never ends it once it has run.
    """
    only_listens = name in ON_REQUEST.values()

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        code = event.returncode
        if context.is_shutdown:
            if code not in _REQUESTED:
                _set_failed(context, f"error: {name} ended with exit code {code}")
            return None
        if code == 0:
            complete = name == ("learner" if plan.part is Part.LEARNER else "environment")
            return [Shutdown(reason="the run is complete" if complete else f"{name} ended")]
        if code == EXIT_BAD_SETTINGS and (restarts.first(name) or not only_listens):
            return fail(context, f"error: {name} refused its settings; its message above says why")
        if code == EXIT_CANNOT_START and restarts.first(name):
            return fail(context, f"error: {name} cannot start; its message above says why")
        topic = plan.command_topic if name == "robot_bridge" else ""
        entities: list[LaunchDescriptionEntity] = [LogInfo(msg=f"{name} died with {_cause(code)}: it is started again")]
        if not restarts.allowed(name, time.monotonic()) and not only_listens:
            often = f"{MAX_DEATHS} times within {WINDOW:g} s, the last time with {_cause(code)}"
            entities = fail(context, f"error: {name} died {often}; its messages above say why")
        if not topic:
            return entities
        # The command guard, which brakes, lives until the launch shuts down.
        return [TimerAction(period=BRAKING, actions=[OpaqueFunction(function=_deactivate, args=[topic]), *entities])]

    return on_exit


def _cause(code: int) -> str:
    """Name an exit code, or the signal that it stands for."""
    try:
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"exit code {code}"


def _deactivate(context: LaunchContext, topic: str) -> list[LaunchDescriptionEntity]:
    """Deactivate the controller whose command guard may have died too."""
    done = deactivate(get_ros_node(context), topic)
    return [LogInfo(msg=done)] if done else []
