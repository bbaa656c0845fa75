"""Tuning of the mask in the browser."""
