"""How the nodes of a graph find each other and communicate: by default on this computer only."""

from __future__ import annotations

from collections.abc import Mapping

from franka_reacher_rl.core.base.paths import PACKAGE, config_dir

_FAST_DDS = "rmw_fastrtps_cpp"  # the default of the supported distributions
# Variables that name a profile of Fast DDS, of version 2 and 3, and all by which the user configures its transports.
_PROFILE_FILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_LOOPBACK = "udp_on_this_computer"
CHOSEN_BY = ("FASTDDS_BUILTIN_TRANSPORTS", *_PROFILE_FILES)
# Variables by which the user chooses who is discovered; ROS_LOCALHOST_ONLY is that of Humble, deprecated later.
DISCOVERED_BY = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", "ROS_DISCOVERY_SERVER")


def discovery_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that restrict discovery to this computer; none if the user has chosen a range.

    The peers of `ROS_STATIC_PEERS` are found in addition.
    """
    if any(variables.get(name) for name in DISCOVERED_BY):
        return {}
    if variables.get("ROS_DISTRO") == "humble":  # which knows no ranges
        return {"ROS_LOCALHOST_ONLY": "1"}
    return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def middleware_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a graph's nodes.

    They restrict discovery to this computer, unless the user has chosen a range, and keep tools from disturbing the
    graph.

    With the shared-memory transport of Fast DDS, a process that attaches to the graph may stall other nodes for a third
    of a second; over UDP this was not observed (docs/performance.md). A choice of the user, and any other middleware,
    stays as it is.
    """
    discovery = discovery_settings(variables)
    variables = {**variables, **discovery}
    if variables.get("RMW_IMPLEMENTATION", _FAST_DDS) != _FAST_DDS or any(name in variables for name in CHOSEN_BY):
        return discovery
    local = variables.get("ROS_AUTOMATIC_DISCOVERY_RANGE") == "LOCALHOST" or variables.get("ROS_LOCALHOST_ONLY") == "1"
    # The profile knows the loopback interface only, and a discovery server or a peer may be on another computer.
    if not local or variables.get("ROS_STATIC_PEERS") or variables.get("ROS_DISCOVERY_SERVER"):
        return {**discovery, "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4", **_profile("udp")}
    # For this range, rmw_fastrtps adds shared memory to whatever is configured: a profile restricts the range instead.
    settings = {**_profile(_LOOPBACK), "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT"}
    # Where this variable is deprecated, setting it prints a warning.
    return settings | ({"ROS_LOCALHOST_ONLY": "0"} if "ROS_LOCALHOST_ONLY" in variables else {})


def enclave_arguments(node: str, variables: Mapping[str, str]) -> list[str]:
    """Return the ROS arguments that put a node into its enclave of SROS 2, where the user has enabled security."""
    enabled = variables.get("ROS_SECURITY_ENABLE") == "true" and not variables.get("ROS_SECURITY_ENCLAVE_OVERRIDE")
    return ["--enclave", f"/{PACKAGE}/{node}"] if enabled else []


def _profile(name: str) -> dict[str, str]:
    return dict.fromkeys(_PROFILE_FILES, str(config_dir() / "dds" / f"{name}.xml"))


def stays_on_this_computer(variables: Mapping[str, str]) -> bool:
    """Return whether the nodes of a process with these environment variables are heard on this computer only."""
    return (
        variables.get("ROS_AUTOMATIC_DISCOVERY_RANGE") in ("LOCALHOST", "OFF")
        or variables.get("ROS_LOCALHOST_ONLY") == "1"
        or any(variables.get(name, "").endswith(f"{_LOOPBACK}.xml") for name in _PROFILE_FILES)
    )
