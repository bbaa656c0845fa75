"""The tuner and the reward node, in this process."""

from node_fixtures import probe_after, ros

__all__ = ["probe_after", "ros"]
