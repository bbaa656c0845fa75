"""The simulation of arm, table, target and wrist camera in MuJoCo, without ROS."""
