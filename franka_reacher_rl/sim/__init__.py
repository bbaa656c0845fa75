"""The simulated world: arm, table, target and wrist camera in MuJoCo. Never imports ROS."""
