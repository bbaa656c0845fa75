"""Replay buffer, batches and checkpoints."""
