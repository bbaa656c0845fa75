"""`tune-mask`: opens the page for frames of a camera, a video, a run or the running graph."""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from franka_reacher_rl.cameras.base import FrameSource
from franka_reacher_rl.cameras.device import DeviceCamera
from franka_reacher_rl.cameras.video_file import VideoCamera
from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.core.base.settings import RewardSettings, Setting, setting_path
from franka_reacher_rl.tuner.frames import LiveFrames, frames_of_run

_FPS = 30.0
_SOURCES = ("camera", "video", "run_dir", "live")


def run(options: argparse.Namespace) -> int:
    """Open the page until Ctrl-C; return the exit code.

    Raises:
        ValueError: Not exactly one source is given, or it cannot be read.
    """
    if sum(bool(getattr(options, name)) for name in _SOURCES) != 1:
        raise ValueError("give exactly one of --camera DEVICE, --video FILE, --run RUN_DIR and --live")
    if not options.out.absolute().parent.is_dir():
        raise ValueError(f"--out {options.out}: the folder {options.out.parent} does not exist: create it")
    if importlib.util.find_spec("viser") is None:
        raise ValueError("needs the package viser: run ./reacher setup, or pip install viser")
    actions = {f"write {options.out}": lambda reward: write_mask(reward, options.out)}
    if options.live:
        from franka_reacher_rl.tuner.live import tune_live

        return tune_live(options.namespace, options.image_topic, options.port, actions)
    from franka_reacher_rl.tuner.page import Page

    frames = frames_of_run(options.run_dir) if options.run_dir else []
    setting = _setting(options)
    page = Page(setting.reward, actions, options.port)
    print(f"open {page.url}; Ctrl-C ends", flush=True)
    try:
        if not frames:
            return watch(page.show, options, setting)
        page.browse(frames)
        while True:
            time.sleep(3600.0)
    finally:
        page.close()


def _setting(options: argparse.Namespace) -> Setting:
    """Return the setting to begin with: by default that of the run, else `lite`."""
    if options.run_dir and not options.setting:
        return Setting.load(options.run_dir / "setting.yaml")
    return Setting.load(setting_path(options.setting or "lite", default_wiring="async"))


def watch(show: Callable[[Frame], None], options: argparse.Namespace, setting: Setting) -> int:
    """Show the frames of a camera or a video until Ctrl-C.

    Raises:
        ValueError: There are no more frames.
    """
    size = setting.image.width, setting.image.height

    def open_source() -> FrameSource:
        return DeviceCamera(options.camera, *size, _FPS) if options.camera else VideoCamera(options.video, *size, _FPS)

    live = LiveFrames(open_source, show)
    try:
        while not live.failure:
            time.sleep(0.2)
    finally:
        live.close()
    raise ValueError(live.failure)


def write_mask(reward: RewardSettings, path: Path) -> str:
    """Write a mask as a parameter file, and return what to do with it.

    Raises:
        OSError: The file cannot be written.
    """
    values = {"bands": reward.bands, "dilate": reward.dilate, "erode": reward.erode}
    document = {"/**": {"ros__parameters": {"reward": values}}}
    write_atomic(path, yaml.safe_dump(document, default_flow_style=None, sort_keys=False, width=120))
    return f"Written to {path}. Launch with params_file:={path}, or copy the values into your setting."
