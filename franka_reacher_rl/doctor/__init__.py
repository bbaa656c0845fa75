"""Checks of a computer, before a run: `./reacher doctor`."""
