"""Data types, settings, files: what everything else builds on."""
