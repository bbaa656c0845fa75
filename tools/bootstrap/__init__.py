"""What `./reacher` does: makes the environment where no ROS 2 is installed, builds the package, runs commands in it.

Standard library only: it runs before anything is installed.
"""
