"""What the launch files start: their arguments, the plan of a run and the processes of its graph."""
