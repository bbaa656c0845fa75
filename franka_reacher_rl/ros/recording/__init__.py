"""Recording of messages as they are sent, in MCAP files."""
