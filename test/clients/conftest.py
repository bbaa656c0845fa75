"""Clients and the nodes that they call, in this process."""

from node_fixtures import probe_after, ros

__all__ = ["probe_after", "ros"]
