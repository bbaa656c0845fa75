"""The arm: robot files, kinematics, velocity commands, the safety filter and the bridge."""
