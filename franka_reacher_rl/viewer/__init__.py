"""A running or recorded graph in the browser, drawn by rerun."""
