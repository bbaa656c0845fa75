"""Tells frames that show nothing new: black ones, and those of a camera that repeats an old one."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.datatypes import Frame

BLACK = 8  # of 255: no pixel of a black frame is brighter
MOVED = 0.1  # rad; a frame that does not change although a joint has turned this far is an old one


class FrameCheck:
    """Compares each frame with the one before it, and with how far the arm has moved since that one changed."""

    def __init__(self, *, frozen: bool = True) -> None:
        """Start without a frame.

        Args:
            frozen: Whether a frame that does not change counts as a problem.
        """
        self._frozen = frozen
        self._digest: int | None = None  # of the last frame
        self._q: npt.NDArray[np.float64] | None = None  # joint positions when that frame was new

    def problem(self, frame: Frame, q: npt.NDArray[np.float64] | None) -> str:
        """Return why a frame is not to be used, in a word; empty if nothing speaks against it.

        Args:
            frame: The frame.
            q: Joint positions (joints,), rad; None while they are unknown.
        """
        if int(frame.max()) <= BLACK:
            return "black"
        digest = zlib.crc32(np.ascontiguousarray(frame).data)
        if digest != self._digest or self._q is None or q is None:
            self._digest, self._q = digest, q
            return ""
        return "frozen" if self._frozen and float(np.abs(q - self._q).max()) > MOVED else ""
