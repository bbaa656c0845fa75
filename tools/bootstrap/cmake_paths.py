"""Correct paths of the build machine in the CMake files of the ROS wheels."""

from __future__ import annotations

import re
from pathlib import Path


def correct_cmake_files(share: Path, include_folders: tuple[str, str]) -> None:
    """Replace the include folders of the build machine in the CMake files of the ROS wheels.

    Args:
        share: The environment's share folder.
        include_folders: The include folders of this Python and of its NumPy.
    """
    python, numpy = include_folders
    built = r"/opt/python/cp\d+-cp\d+"
    corrections = (
        (re.compile(built + r"/include/python3\.\d+"), python),
        (re.compile(built + r"/lib/python3\.\d+/site-packages/numpy/_?core/include"), numpy),
        # CMake refuses to export a path inside the source tree, and here NumPy's headers are inside the checkout.
        (
            re.compile(r"PUBLIC \$\{Python3_INCLUDE_DIRS\} \$\{Python3_NumPy_INCLUDE_DIRS\}"),
            'PUBLIC "$<BUILD_INTERFACE:${Python3_INCLUDE_DIRS};${Python3_NumPy_INCLUDE_DIRS}>"',
        ),
    )
    for path in share.glob("*/cmake/*.cmake"):
        text = path.read_text()
        corrected = text
        for pattern, replacement in corrections:
            corrected = pattern.sub(replacement.replace("\\", r"\\"), corrected)
        if corrected != text:
            path.write_text(corrected)
