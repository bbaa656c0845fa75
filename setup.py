"""Installs the part that needs no ROS: `pip install -e .` on a cluster or a GPU machine.

With ROS 2 the package is built by colcon from CMakeLists.txt, which installs everything.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "franka_reacher_rl/__init__.py").read_text())
assert VERSION is not None, "franka_reacher_rl/__init__.py holds the version"

# By folder, as data files must be named.
CONFIG_FOLDERS = sorted({path.parent.relative_to(HERE) for path in (HERE / "config").rglob("*") if path.is_file()})

setup(
    name="franka-reacher-rl",
    version=VERSION.group(1),
    description="Real-time reinforcement learning on a velocity-controlled arm, synchronous or asynchronous.",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=["franka_reacher_rl", *(f"franka_reacher_rl.{name}" for name in find_packages("franka_reacher_rl"))],
    package_data={"": ["*.xml", "*.urdf", "*.yaml", "*.stl", "*.obj", "**/*.xml", "**/*.urdf", "**/*.yaml"]},
    data_files=[
        (f"share/franka_reacher_rl/{folder}", [str(path) for path in sorted(folder.glob("*")) if path.is_file()])
        for folder in CONFIG_FOLDERS
    ],
    install_requires=[
        "daqp",
        "matplotlib",
        "mujoco>=3.2",
        "numpy>=1.26",
        "opencv-python-headless",
        "pandas",
        "psutil",
        "pyyaml",
        "rich",
        "safetensors",
        "scipy",
        "tensorboard",
        "torch>=2.3",
    ],
    extras_require={
        "ray": ["ray"],
        "dev": ["hypothesis", "mypy", "pytest<9", "pytest-timeout", "ruff", "types-PyYAML", "types-psutil"],
    },
    entry_points={"console_scripts": ["franka-reacher = franka_reacher_rl.cli:main"]},
)
