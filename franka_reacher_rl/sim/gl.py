"""Which OpenGL draws the simulated camera: EGL first (GPU or Mesa in software), OSMesa where there is no EGL."""

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
    """The OpenGL to draw with: `MUJOCO_GL` where it is set, else what this machine has.

    Looks by loading the library and opening a display, a few milliseconds, since a wrong guess cannot be taken back:
    the first OpenGL binding that a process imports is the one it keeps.

    Returns:
        `egl`, `osmesa` or what `MUJOCO_GL` says (`glfw`).

    Raises:
        RuntimeError: Neither is there; the message names the Debian packages.
    """
    asked = os.environ.get("MUJOCO_GL", "").lower()
    if asked in ("egl", "osmesa", "glfw"):
        return asked
    if asked:
        raise RuntimeError(f"MUJOCO_GL={asked} draws nothing: unset it, or set it to egl, osmesa or glfw")
    if _egl_opens():
        return "egl"
    if _load("osmesa") is not None:
        return "osmesa"
    raise RuntimeError(
        "The simulated camera needs OpenGL, and neither EGL nor OSMesa is here. On Debian or Ubuntu: "
        f"sudo apt-get install {PACKAGES['egl']} (EGL, faster) or sudo apt-get install {PACKAGES['osmesa']} (OSMesa)."
    )


def make_context(width: int, height: int) -> Any:
    """An OpenGL context that draws off screen; make it current in the thread that draws.

    Args:
        width: Widest frame in px.
        height: Highest frame in px.

    Returns:
        MuJoCo's GLContext, with `make_current()` and `free()`.

    Raises:
        RuntimeError: No OpenGL, or it refuses; the message names the Debian packages.
    """
    backend = choose_backend()
    # Mesa's software renderer starts a thread per core; frames this small are drawn faster by the calling thread alone,
    # and the other cores belong to the learner.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    os.environ["MUJOCO_GL"] = backend  # MuJoCo's own loader reads it too
    try:
        return importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
    except Exception as error:  # the bindings raise ImportError, AttributeError, OpenGL's own or RuntimeError
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
    """Whether some EGL device initialises, asked the way MuJoCo will ask."""
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
