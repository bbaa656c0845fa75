"""Cameras: a video device, a video file or the simulation."""
