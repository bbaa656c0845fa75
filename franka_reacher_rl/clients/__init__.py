"""Programs that call the nodes of a running graph."""
