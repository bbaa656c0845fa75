"""`ros2 launch` and `ros2 interface` for the environment that `./reacher` makes where no ROS 2 is installed.

They take the common arguments of the commands of the same name in ROS 2, so that what the documentation says works on
both kinds of machine.
"""
