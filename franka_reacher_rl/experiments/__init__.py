"""Experiments without ROS: virtual time, runner, results, plots and benches."""
