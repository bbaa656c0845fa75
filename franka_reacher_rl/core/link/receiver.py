"""Accepts spooled messages once each and in order."""

from __future__ import annotations

MOST_NUMBER = 10**15  # of a message


class Receiver:
    """The counterpart of `Sender`.

    Attributes:
        received: Number of the last message accepted or known to be missing; every earlier one was too.
        missing: Messages that the sender does not have any more.
        refused: Messages that were not the next one: repetitions, or the followers of a lost one. The sender repeats
            what was lost.
    """

    def __init__(self, received: int = 0, missing: int = 0) -> None:
        """Continue after a message; 0: the beginning."""
        self.received, self.missing = received, missing
        self.refused = 0

    def accept(self, number: int) -> bool:
        """Return whether a message is the next one, and take it as received."""
        if number != self.received + 1:
            self.refused += 1
            return False
        self.received = number
        return True

    def skip(self, first: int, last: int) -> bool:
        """Take note that the sender has no messages `first` to `last` any more.

        Returns:
            Whether that applies here: it does not where an earlier message is missing, which the sender may still have.
        """
        if not first <= self.received + 1 <= last <= MOST_NUMBER:
            self.refused += 1
            return False
        self.missing += last - self.received
        self.received = last
        return True
