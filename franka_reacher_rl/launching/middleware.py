"""The transport by which the nodes of a graph communicate."""

from __future__ import annotations

from collections.abc import Mapping

from franka_reacher_rl.core.base.paths import config_dir

_FAST_DDS = "rmw_fastrtps_cpp"  # the default of the supported distributions
# Variables that name a profile of Fast DDS, of version 2 and 3, and all by which the user configures its transports.
_PROFILE_FILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_LOOPBACK = "udp_on_this_computer.xml"
CHOSEN_BY = ("FASTDDS_BUILTIN_TRANSPORTS", *_PROFILE_FILES)


def middleware_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that keep tools from disturbing the graph.

    With the shared-memory transport of Fast DDS, a process that attaches to the graph may stall other nodes for a third
    of a second; over UDP this was not observed (docs/performance.md). A choice of the user, and any other middleware,
    stays as it is.
    """
    if variables.get("RMW_IMPLEMENTATION", _FAST_DDS) != _FAST_DDS or any(name in variables for name in CHOSEN_BY):
        return {}
    local = variables.get("ROS_AUTOMATIC_DISCOVERY_RANGE") == "LOCALHOST" or variables.get("ROS_LOCALHOST_ONLY") == "1"
    if not local:
        return {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}
    # For this range, rmw_fastrtps adds shared memory to whatever is configured: a profile restricts the range instead.
    profile = str(config_dir() / "dds" / _LOOPBACK)
    settings = {**dict.fromkeys(_PROFILE_FILES, profile), "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT"}
    # Where this variable is deprecated, setting it prints a warning.
    return settings | ({"ROS_LOCALHOST_ONLY": "0"} if "ROS_LOCALHOST_ONLY" in variables else {})


def stays_on_this_computer(variables: Mapping[str, str]) -> bool:
    """Return whether the nodes of a process with these environment variables are heard on this computer only."""
    return (
        variables.get("ROS_AUTOMATIC_DISCOVERY_RANGE") in ("LOCALHOST", "OFF")
        or variables.get("ROS_LOCALHOST_ONLY") == "1"
        or any(variables.get(name, "").endswith(_LOOPBACK) for name in _PROFILE_FILES)
    )
