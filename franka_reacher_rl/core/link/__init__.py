"""Transitions on their way to a learner on another computer: stored, sent in order, and received once."""
