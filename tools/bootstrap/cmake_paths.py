"""Corrects what the ROS wheels say about the machine they were built on."""

from __future__ import annotations

import re
from pathlib import Path


def mend_cmake_files(share: Path, include_folders: tuple[str, str]) -> None:
    """Corrects what the ROS wheels say about the machine they were built on.

    Args:
        share: The environment's share folder.
        include_folders: Of this Python and of its NumPy.
    """
    python, numpy = include_folders
    built = r"/opt/python/cp\d+-cp\d+"
    corrections = (
        (re.compile(built + r"/include/python3\.\d+"), python),
        (re.compile(built + r"/lib/python3\.\d+/site-packages/numpy/_?core/include"), numpy),
        # NumPy's headers lie below the checkout here, and CMake refuses to export a path inside the source tree.
        (
            re.compile(r"PUBLIC \$\{Python3_INCLUDE_DIRS\} \$\{Python3_NumPy_INCLUDE_DIRS\}"),
            'PUBLIC "$<BUILD_INTERFACE:${Python3_INCLUDE_DIRS};${Python3_NumPy_INCLUDE_DIRS}>"',
        ),
    )
    for path in share.glob("*/cmake/*.cmake"):
        text = path.read_text()
        mended = text
        for pattern, replacement in corrections:
            mended = pattern.sub(replacement.replace("\\", r"\\"), mended)
        if mended != text:
            path.write_text(mended)
