"""The implementation of `./reacher`: create the environment, build the package, run commands.

The environment is only created where no ROS 2 is installed. These modules run before any package is installed, so they
import the standard library only.
"""
