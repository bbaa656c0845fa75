"""Run folders: what a run leaves behind, whether it is running, and how it is resumed."""
