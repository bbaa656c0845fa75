"""The task, the arm and the algorithm in pure Python with NumPy and PyTorch. Never imports ROS."""
