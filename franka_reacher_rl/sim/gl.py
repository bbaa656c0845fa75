"""Selection of the OpenGL backend of the simulated camera: EGL (GPU or Mesa's software renderer), otherwise OSMesa."""

from __future__ import annotations

import ctypes
import importlib
import os
from typing import Any

PACKAGES = {"egl": "libegl1 libegl-mesa0 libgl1-mesa-dri", "osmesa": "libosmesa6"}
_LIBRARIES = {
    "egl": ("libEGL.so.1", "libEGL.so"),
    "osmesa": ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"),
}
_EGL_PLATFORM_DEVICE_EXT = 0x313F


def choose_backend() -> str:
    """Return the OpenGL backend to use: `MUJOCO_GL` if it is set, else one that works on this machine.

    The check loads the library and opens a display, which takes a few milliseconds. A wrong choice could not be undone,
    because a process keeps the first OpenGL binding that it imports.

    Returns:
        `egl`, `osmesa`, or `glfw` if `MUJOCO_GL` requests it.

    Raises:
        RuntimeError: No backend is available; the message names the Debian packages.
    """
    asked = os.environ.get("MUJOCO_GL", "").lower()
    if asked in ("egl", "osmesa", "glfw"):
        return asked
    if asked:
        raise RuntimeError(f"MUJOCO_GL={asked} cannot render: unset it, or set it to egl, osmesa or glfw")
    if _egl_opens():
        return "egl"
    if _load("osmesa") is not None:
        return "osmesa"
    raise RuntimeError(
        "the simulated camera needs OpenGL, but neither EGL nor OSMesa is installed; on Debian or Ubuntu: "
        f"sudo apt-get install {PACKAGES['egl']} (EGL, faster) or sudo apt-get install {PACKAGES['osmesa']} (OSMesa)"
    )


def make_context(width: int, height: int) -> Any:
    """Create an OpenGL context for off-screen rendering, to be made current in the rendering thread.

    Args:
        width: Largest frame width in px.
        height: Largest frame height in px.

    Returns:
        MuJoCo's GLContext, with `make_current()` and `free()`.

    Raises:
        RuntimeError: OpenGL is missing or does not start; the message names the Debian packages.
    """
    backend = choose_backend()
    # Mesa's software renderer starts a thread per core. Frames this small render faster in the calling thread alone,
    # which leaves the other cores to the learner.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    os.environ["MUJOCO_GL"] = backend  # MuJoCo's loader reads it too
    try:
        return importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
    except Exception as error:  # the bindings raise ImportError, AttributeError, OpenGL errors or RuntimeError
        hint = f"; try: sudo apt-get install {PACKAGES[backend]}" if backend in PACKAGES else ""
        raise RuntimeError(f"OpenGL through {backend} does not start: {error}{hint}") from error


def _load(backend: str) -> ctypes.CDLL | None:
    for name in _LIBRARIES[backend]:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _egl_opens() -> bool:
    """Return whether an EGL device can be initialised, checked in the same way as MuJoCo does it."""
    egl = _load("egl")
    if egl is None:
        return False
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    query = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    display_of = egl.eglGetProcAddress(b"eglGetPlatformDisplayEXT")
    if not query or not display_of:
        return False
    devices, count = (ctypes.c_void_p * 16)(), ctypes.c_int(0)
    arguments = (ctypes.c_int, ctypes.POINTER(ctypes.c_void_p * 16), ctypes.POINTER(ctypes.c_int))
    if not ctypes.CFUNCTYPE(ctypes.c_uint, *arguments)(query)(16, ctypes.byref(devices), ctypes.byref(count)):
        return False
    get_display = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)(display_of)
    egl.eglInitialize.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    for device in devices[: count.value]:
        display = get_display(_EGL_PLATFORM_DEVICE_EXT, device, None)
        if display and egl.eglInitialize(display, None, None):
            return True
    return False
