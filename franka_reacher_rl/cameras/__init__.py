"""Sources of frames: a video device, a video file, the simulated world."""
