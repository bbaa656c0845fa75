"""The commands of `cli.py`: their options and what they call. A command imports its modules when it runs."""
