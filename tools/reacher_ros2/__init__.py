"""`ros2 launch` and `ros2 interface` for the environment that `./reacher` creates where no ROS 2 is installed.

They accept the common arguments of the ROS 2 commands of the same name.
"""
