"""The nodes of the graph: each converts, calls the core and publishes."""
