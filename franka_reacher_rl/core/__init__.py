"""Pure Python with NumPy and PyTorch: the task, the algorithm and the robot. Never imports ROS."""
