"""The pictures of README and docs, each made by a command."""
