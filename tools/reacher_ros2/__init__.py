"""The `ros2` command of the environment that `./reacher` creates where no ROS 2 is installed.

`ros2 action`, `ros2 interface` and `ros2 launch` accept the common arguments of the ROS 2 commands of the same name.
The other commands are those of ROS 2.
"""
