"""What the permissions for SROS 2 allow each node."""

from __future__ import annotations

from xml.etree import ElementTree

from franka_reacher_rl.core.base.paths import config_dir

ROOT = ElementTree.parse(config_dir() / "sros2" / "policy.xml").getroot()
PROFILES = {profile.attrib["node"]: profile for profile in ROOT.iter("profile")}


def allowed(node: str, kind: str, access: str) -> set[str]:
    """The full names for which a node has an access, such as ("topics", "publish")."""
    profile = PROFILES[node]
    names = {e.text or "" for part in profile.findall(kind) if part.get(access) == "ALLOW" for e in part}
    return {name.replace("~", f"/{node}") if name[0] == "~" else f"/{name.lstrip('/')}" for name in names}
