"""Transitions as the uplink forwards them: serialised, with their number written into the bytes.

A transition is serialised once, by the actor. Converting it to a message and back would cost more than everything else
that the uplink does. In the CDR encoding, `number` stands at a fixed distance from the end, since only fields of fixed
size follow it.
"""

from __future__ import annotations

import struct

from rclpy.serialization import deserialize_message, serialize_message

from franka_reacher_rl import msg
from franka_reacher_rl.core.link.sender import Gap

_LITTLE_ENDIAN = 1  # second byte of the encapsulation header
_HEADER = 4  # bytes
_NUMBER_FROM_END = 24  # number, policy_version, observation_age and policy_age are the last 24 bytes
_TIME = 8  # bytes of a stamp


def numbered(data: bytes, number: int) -> bytes:
    """Return a serialised transition with another `number`.

    Raises:
        ValueError: The data are no transition in a known encoding.
    """
    _check(data)
    at = len(data) - _NUMBER_FROM_END
    return b"".join((data[:at], struct.pack("<Q", number), data[at + 8 :]))


def run_id_of(data: bytes) -> str:
    """Return the run of a serialised transition.

    Raises:
        ValueError: The data are no transition in a known encoding.
    """
    _check(data)
    frame_id_end = _after_string(data, _HEADER + _TIME)
    begin = frame_id_end + -(frame_id_end - _HEADER) % 4
    end = _after_string(data, begin)
    return data[begin + 4 : end - 1].decode(errors="replace")


def encoding_is_known() -> bool:
    """Return whether this middleware encodes a transition as `numbered` and `run_id_of` expect."""
    probe = msg.Transition(run_id="run", number=1, policy_version=2, observation_age=3.0, policy_age=4.0)
    probe.header.frame_id, probe.image = "frame", b"12345"
    data = serialize_message(probe)
    try:
        expected = numbered(data, 7)
        probe.number = 7
        return run_id_of(data) == "run" and deserialize_message(expected, msg.Transition) == probe
    except ValueError:
        return False


def gap_msg(gap: Gap, run_id: str) -> msg.Transition:
    """Return the message that takes the place of transitions that do not exist any more.

    It has no image; `policy_version` is the number of the first of them and `number` that of the last one.
    """
    return msg.Transition(run_id=run_id, policy_version=gap.first, number=gap.last)


def gap_from_msg(message: msg.Transition) -> Gap | None:
    """Return the gap that a message stands for; None: it is a transition."""
    if message.height or message.width or not message.number:
        return None
    return Gap(message.policy_version, message.number)


def _check(data: bytes) -> None:
    if len(data) < _HEADER + _TIME + _NUMBER_FROM_END or data[1] != _LITTLE_ENDIAN:
        raise ValueError(f"{len(data)} bytes that begin with {data[:4].hex()} are no transition in little-endian CDR")


def _after_string(data: bytes, begin: int) -> int:
    """Return where the string that begins with its length ends."""
    if begin + 4 > len(data):
        raise ValueError("the transition is cut off")
    end = begin + 4 + int(struct.unpack_from("<I", data, begin)[0])
    if not begin + 4 < end <= len(data):
        raise ValueError("the transition has a string of an impossible length")
    return end
