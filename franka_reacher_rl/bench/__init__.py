"""Benchmarks behind `./reacher bench`."""
