"""How a node's process runs its callbacks, and how it ends."""
