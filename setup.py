"""Install the package without ROS 2, for example on a cluster: `pip install -e .`.

With ROS 2, colcon builds the package from CMakeLists.txt instead, including messages, nodes and launch files.
"""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def requirements(path: str) -> list[str]:
    """Return the requirements that a file lists."""
    lines = (line.partition("#")[0].strip() for line in (HERE / path).read_text().splitlines())
    return [line for line in lines if line]


PACKAGE_XML = ElementTree.parse(HERE / "package.xml")

FRANKY, RAY, GYMNASIUM, RTGYM, *VIEW = requirements("tools/requirements/optional.txt")

# data_files needs one entry per folder.
CONFIG_FOLDERS = sorted({path.parent.relative_to(HERE) for path in (HERE / "config").rglob("*") if path.is_file()})

setup(
    name="franka-reacher-rl",
    version=PACKAGE_XML.findtext("version"),
    description=" ".join(PACKAGE_XML.findtext("description", "").split()),
    license=PACKAGE_XML.findtext("license"),
    python_requires=">=3.10",
    packages=["franka_reacher_rl", *(f"franka_reacher_rl.{name}" for name in find_packages("franka_reacher_rl"))],
    package_data={"": ["*.xml", "*.yaml", "*.stl", "*.obj"]},
    data_files=[
        ("share/franka_reacher_rl", ["package.xml"]),
        *(
            (f"share/franka_reacher_rl/{folder}", [str(path) for path in sorted(folder.glob("*")) if path.is_file()])
            for folder in CONFIG_FOLDERS
        ),
    ],
    install_requires=[*requirements("requirements.txt"), *requirements("tools/requirements/rosdep.txt")],
    extras_require={
        "franka": [FRANKY],
        "ray": [RAY],
        "bench": [GYMNASIUM, RTGYM],
        "view": VIEW,
        "dev": requirements("tools/requirements/dev.txt"),
    },
    entry_points={"console_scripts": ["franka-reacher = franka_reacher_rl.cli:main"]},
)
