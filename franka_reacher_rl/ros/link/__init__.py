"""Messages on their way to a learner on another computer."""
