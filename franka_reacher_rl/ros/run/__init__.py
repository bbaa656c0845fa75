"""The run that a node belongs to, and how a person controls it."""
