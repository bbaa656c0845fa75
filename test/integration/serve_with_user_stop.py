"""Starts franka-sim's server with a user stop: SIGUSR1 presses it, SIGUSR2 releases it.

franka-sim itself has none. What a client sees of one is as libfranka expects it of the robot (`franka/robot_state.h`,
`robot_impl.h`): the state tells mode kUserStopped, a running motion is answered by kEmergencyAborted ("User Stop
pressed!"), and neither a motion nor an error recovery is possible until it is released. Runs in the server's own
environment, with its arguments.
"""

import signal
import struct
import threading
from typing import Any

import franka_sim
from franka_sim.franka_protocol import Command, MessageHeader, MoveStatus, RobotMode
from franka_sim.robot_state import RobotState
from franka_sim.run_server import main

NOT_POSSIBLE = 2  # AutomaticErrorRecovery::Status::kCommandNotPossibleRejected of libfranka's protocol
MODE_AT = -5  # of a packed state: the last fields are the mode (a byte) and the success rate (a float)

pressed = threading.Event()
pack_without = RobotState.pack_state


def pack_state(state: RobotState) -> bytes:
    """The state as it goes out, which tells of the stop, whatever the server makes of its own mode meanwhile."""
    packed = bytearray(pack_without(state))
    if pressed.is_set():
        packed[MODE_AT] = RobotMode.kUserStopped
    return bytes(packed)


class ServerWithUserStop(franka_sim.FrankaSimServer):  # type: ignore[misc]
    """The server, and a button on it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # A signal interrupts the main thread, which may hold the server's locks: another one does the work.
        signal.signal(signal.SIGUSR1, lambda *_: threading.Thread(target=self.press).start())
        signal.signal(signal.SIGUSR2, lambda *_: threading.Thread(target=self.release).start())

    def press(self) -> None:
        """Stops the arm, whoever moves it."""
        with self._motion_lock:
            pressed.set()
            self._abort_with_error((), "user stop pressed")
            if self._pending_move_response is not None:
                command, _, packed = self._pending_move_response
                self._pending_move_response = (command, MoveStatus.kEmergencyAborted, packed)

    def release(self) -> None:
        """Lets the arm be moved again."""
        with self._motion_lock:
            pressed.clear()
            self.robot_state.state["robot_mode"] = RobotMode.kIdle.value

    def _refuse_move_while_latched(self, client_socket: Any, header: Any) -> bool:
        if not pressed.is_set():
            return bool(super()._refuse_move_while_latched(client_socket, header))
        self.send_move_response(client_socket, header.command_id, MoveStatus.kCommandNotPossibleRejected)
        return True

    def handle_automatic_error_recovery_command(self, client_socket: Any, header: Any, payload: bytes) -> None:
        """Refuses while the stop is pressed."""
        if not pressed.is_set():
            super().handle_automatic_error_recovery_command(client_socket, header, payload)
            return
        answer = MessageHeader(Command.kAutomaticErrorRecovery, header.command_id, 16)
        self._send_tcp(client_socket, answer.to_bytes() + struct.pack("<B3x", NOT_POSSIBLE))


if __name__ == "__main__":
    RobotState.pack_state = pack_state
    franka_sim.FrankaSimServer = ServerWithUserStop
    main()
