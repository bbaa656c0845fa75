"""Starts the franka-sim server with a user stop and contacts.

SIGUSR1 presses the stop, SIGUSR2 releases it, and SIGRTMIN lets the arm touch something.

franka-sim itself has no user stop. This one behaves as libfranka expects it of the robot (`franka/robot_state.h`,
`robot_impl.h`): the state has mode kUserStopped, a running motion is answered with kEmergencyAborted ("User Stop
pressed!"), and neither a motion nor an error recovery is possible until the stop is released. This program runs in the
server's environment and takes its arguments. A contact ends a motion with the reflex that the robot has then. The
collision thresholds that a client sets are printed.
"""

import signal
import struct
import threading
from typing import Any

import franka_sim
from franka_sim.franka_protocol import Command, MessageHeader, MoveStatus, RobotMode, SetCollisionBehaviorCommand
from franka_sim.robot_state import RobotState
from franka_sim.run_server import main

JOINT_REFLEX = 6  # bit of the robot's errors, in the order of `franka/errors.h`
NOT_POSSIBLE = 2  # AutomaticErrorRecovery::Status::kCommandNotPossibleRejected of libfranka's protocol
MODE_AT = -5  # of a packed state: the last fields are the mode (a byte) and the success rate (a float)

pressed = threading.Event()
pack_without = RobotState.pack_state


def pack_state(state: RobotState) -> bytes:
    """Pack a state, with mode kUserStopped while the stop is pressed."""
    packed = bytearray(pack_without(state))
    if pressed.is_set():
        packed[MODE_AT] = RobotMode.kUserStopped
    return bytes(packed)


class ServerWithUserStop(franka_sim.FrankaSimServer):  # type: ignore[misc]
    """The server with a user stop."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # A signal interrupts the main thread, which may hold the server's locks: use another thread.
        signal.signal(signal.SIGUSR1, lambda *_: threading.Thread(target=self.press).start())
        signal.signal(signal.SIGUSR2, lambda *_: threading.Thread(target=self.release).start())
        signal.signal(signal.SIGRTMIN, lambda *_: threading.Thread(target=self.touch).start())

    def touch(self) -> None:
        """Touch something, which ends any motion."""
        self._abort_with_error(JOINT_REFLEX, "contact: joint_reflex")

    def handle_set_collision_behavior_command(self, client_socket: Any, header: Any, payload: bytes) -> None:
        """Print the thresholds, which have no effect in this simulation."""
        taken = SetCollisionBehaviorCommand.from_bytes(payload)
        print(f"thresholds: {taken.upper_torque_thresholds_nominal} {taken.upper_force_thresholds_nominal}", flush=True)
        super().handle_set_collision_behavior_command(client_socket, header, payload)

    def press(self) -> None:
        """Press the stop, which aborts any motion."""
        with self._motion_lock:
            pressed.set()
            self._abort_with_error((), "user stop pressed")
            if self._pending_move_response is not None:
                command, _, packed = self._pending_move_response
                self._pending_move_response = (command, MoveStatus.kEmergencyAborted, packed)

    def release(self) -> None:
        """Release the stop, after which the arm can be moved again."""
        with self._motion_lock:
            pressed.clear()
            self.robot_state.state["robot_mode"] = RobotMode.kIdle.value

    def _refuse_move_while_latched(self, client_socket: Any, header: Any) -> bool:
        if not pressed.is_set():
            return bool(super()._refuse_move_while_latched(client_socket, header))
        self.send_move_response(client_socket, header.command_id, MoveStatus.kCommandNotPossibleRejected)
        return True

    def handle_automatic_error_recovery_command(self, client_socket: Any, header: Any, payload: bytes) -> None:
        """Refuse an error recovery while the stop is pressed."""
        if not pressed.is_set():
            super().handle_automatic_error_recovery_command(client_socket, header, payload)
            return
        answer = MessageHeader(Command.kAutomaticErrorRecovery, header.command_id, 16)
        self._send_tcp(client_socket, answer.to_bytes() + struct.pack("<B3x", NOT_POSSIBLE))


if __name__ == "__main__":
    RobotState.pack_state = pack_state
    franka_sim.FrankaSimServer = ServerWithUserStop
    main()
