"""Robot files, kinematics, velocity commands, safety filter and bridge."""
