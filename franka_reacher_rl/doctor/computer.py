"""The computer: versions, OpenGL, CUDA, clocks, scheduling, disk and memory."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import psutil

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.replay.row_format import row_type
from franka_reacher_rl.core.replay.segments import most_bytes
from franka_reacher_rl.doctor.finding import Finding, failure, ok, warning

_PACKAGES = ("torch", "numpy", "mujoco", "opencv-python-headless", "opencv-python", "pin", "franky-control", "ray")
_NEEDED = {"torch", "numpy", "mujoco"}
_SETTINGS = ("async_lite", "async_baseline", "async_highres")
_FAST_CLOCKS = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter")
_STEP = 1e-3  # s, from which a difference of the two clocks is a step
_WAKINGS, _NAP = 400, 2e-3  # sleeps, and their length, s
_LATE = 1e-3  # s, from which the 99th percentile of the wakings is late
_DOF = 7
_GB = 1e9


def versions() -> Iterator[Finding]:
    """Name the versions that a report of a problem needs."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            if package in _NEEDED:
                yield failure("versions", f"{package} is not installed", "run ./reacher setup")
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    yield ok("versions", f"Python {platform.python_version()}, {listed}")
    processor = f"{os.cpu_count()} cores, {psutil.virtual_memory().total / _GB:.0f} GB of memory"
    yield ok("computer", f"{platform.system()} {platform.release()} {platform.machine()}, {processor}")


def opengl() -> Iterator[Finding]:
    """Render frames of the simulated camera."""
    from franka_reacher_rl.sim import gl
    from franka_reacher_rl.sim.camera import WristCamera

    robot = Robot.load("panda_sim")
    q, target = 0.5 * np.add(robot.reset.start_lower, robot.reset.start_upper), np.array([0.5, 0.0])
    try:
        with WristCamera(robot, 160, 90) as camera:
            camera.render(q, target)
            began = time.perf_counter()
            for _ in range(20):
                camera.render(q, target)
            each = 1e3 * (time.perf_counter() - began) / 20
    except RuntimeError as error:
        yield failure("OpenGL", str(error), "install what it names; a real camera needs no OpenGL")
        return
    yield ok("OpenGL", f"{gl.choose_backend()} renders a frame of 160x90 in {each:.1f} ms")


def cuda() -> Iterator[Finding]:
    """Look for a GPU that updates can use."""
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / _GB
        yield ok("CUDA", f"{torch.cuda.get_device_name()}, {memory:.0f} GB, PyTorch for CUDA {torch.version.cuda}")
    elif Path("/proc/driver/nvidia/version").exists():
        text = "there is an NVIDIA driver, but PyTorch finds no CUDA device"
        yield warning("CUDA", text, "install PyTorch's build for CUDA, and a driver that supports it: pytorch.org")
    else:
        yield ok("CUDA", "no NVIDIA driver: updates run on the processor")


def clocks(seconds: float = 1.0) -> Iterator[Finding]:
    """Look at the source of the clocks, at steps of the wall clock, and at how late a sleeping process wakes."""
    source = _read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    if source and source not in _FAST_CLOCKS:
        text = f"the kernel reads the time from {source}, which takes microseconds"
        yield warning("clock", text, f"use one of {', '.join(_FAST_CLOCKS)}, if the firmware offers it")
    elif source:
        yield ok("clock", f"the kernel reads the time from {source}")
    difference = time.time() - time.monotonic()
    time.sleep(seconds)
    step = time.time() - time.monotonic() - difference
    if abs(step) > _STEP:
        text = f"the wall clock was moved by {1e3 * step:+.1f} ms within {seconds:g} s"
        yield warning("wall clock", text, "have chrony or ntpd slew it; only stamps of messages depend on it")
    else:
        yield ok("wall clock", f"no step within {seconds:g} s")
    late = np.quantile([_waking() for _ in range(_WAKINGS)], [0.5, 0.99, 1.0])
    text = f"a sleeping process wakes {', '.join(f'{1e3 * v:.2f}' for v in late)} ms late (median, p99, maximum)"
    if late[1] > _LATE:
        yield warning("scheduling", text, "end other programs, or permit real-time priority")
    else:
        yield ok("scheduling", text)


def _waking() -> float:
    due = time.monotonic() + _NAP
    time.sleep(_NAP)
    return time.monotonic() - due


def scheduling() -> Iterator[Finding]:
    """Look at the frequency governor and at the permission to use real-time priority."""
    governors = {_read(path) for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")}
    slow = governors - {"performance"}
    if slow:
        text = f"the frequency governor is {', '.join(sorted(slow))}"
        yield warning("governor", text, "sudo cpupower frequency-set --governor performance")
    else:
        yield ok("governor", "performance" if governors else "the system does not offer a choice")
    if problem := _realtime():
        yield warning(
            "real-time priority",
            f"{problem}, so other programs can delay the control path",
            "add `@realtime - rtprio 99` to /etc/security/limits.conf and yourself to that group, then log in again; "
            "in a container, start it with --cap-add SYS_NICE",
        )
    else:
        yield ok("real-time priority", "permitted")
    kernel = _read("/sys/kernel/realtime")
    yield ok("kernel", "PREEMPT_RT" if kernel == "1" else "not PREEMPT_RT; driver.realtime: true would need it")


def _realtime() -> str:
    """Take real-time priority for a moment; return why not."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO)))
    except OSError as error:
        return f"not permitted ({error.strerror})"
    os.sched_setscheduler(0, policy, parameters)
    return ""


def storage(folder: Path = Path("runs")) -> Iterator[Finding]:
    """Compare the free disk and memory with what a full replay takes, for each of the paper's settings."""
    place = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    free, memory = shutil.disk_usage(place).free, psutil.virtual_memory().available
    for name in _SETTINGS:
        setting = Setting.load(name)
        image, learner = setting.image, setting.learner
        row, per_hour = row_type(image.height, image.width, 3 * _DOF, _DOF), 3.6e6 / setting.episode.cycle_ms
        needed = {
            "memory": row.itemsize * learner.replay_capacity,
            "disk": most_bytes(row, learner.replay_capacity, round(per_hour / 3600.0 * learner.checkpoint_period)),
        }
        text = (
            f"{name}: at most {per_hour * row.itemsize / _GB:.1f} GB an hour, until {learner.replay_capacity} steps "
            f"are stored in {needed['memory'] / _GB:.1f} GB of memory and {needed['disk'] / _GB:.1f} GB on the disk"
        )
        short = [what for what, there in (("memory", memory), ("disk", free)) if there < needed[what]]
        if short:
            have = f"free are {memory / _GB:.1f} GB of memory and {free / _GB:.1f} GB in {place}"
            remedy = "reduce learner.replay_capacity, or make room; without checkpoints (checkpoint_period: 0), no disk"
            yield warning("storage", f"{text}; {have}", remedy)
        else:
            yield ok("storage", text)


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
