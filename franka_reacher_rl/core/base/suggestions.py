"""Texts of error messages: corrections of misspelt names, and values of any size in a few words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean '...'?)` with the known name closest to a misspelt one; empty if none is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def shortened(value: object, most: int = 80) -> str:
    """Return the text of a value that came from outside, on one line and cut to a length.

    Control characters are escaped, so that it cannot change the terminal that prints it.
    """
    text = value if isinstance(value, str) else str(value)
    long = len(text) > most
    text = text[:most]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return f"{text}..." if long else text
