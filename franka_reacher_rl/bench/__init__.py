"""Benchmarks of this machine: `./reacher bench`."""
