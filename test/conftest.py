"""Shared by all tests: a domain of their own, so that graphs of other users and other tests are not heard."""

import os
import random
import tempfile

# From the system's entropy: seeded tests elsewhere must not make two sessions share a domain.
os.environ["ROS_DOMAIN_ID"] = str(random.SystemRandom().randint(1, 100))
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
if os.environ.get("ROS_DISTRO") == "humble":  # which knows no ranges
    os.environ["ROS_LOCALHOST_ONLY"] = "1"

# A stop that a test requests must hold for nobody else.
_home = tempfile.TemporaryDirectory(prefix="ros_home_")
os.environ.setdefault("ROS_LOG_DIR", os.path.expanduser("~/.ros/log"))
os.environ["ROS_HOME"] = _home.name
