"""What a person at a terminal sees of a running graph: `./reacher watch`."""
