"""The robot files shipped, for tests of every one."""

from franka_reacher_rl.core.base.paths import config_dir

ROBOTS = sorted(path.stem for path in (config_dir() / "robots").glob("*.yaml"))
