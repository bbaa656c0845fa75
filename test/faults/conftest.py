"""Launches that end with their test."""

from launch_fixture import launch

__all__ = ["launch"]
