"""Build the package, and packages that the user has added, when their sources have changed."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bootstrap.environment import prepend
from bootstrap.problem import Problem
from bootstrap.processes import run_logged, tail
from bootstrap.steps import Stamps, Step, fingerprint

PACKAGE = "franka_reacher_rl"
# A change inside one of these changes what is compiled or generated.
_DEFINITIONS = ("CMakeLists.txt", "cmake", "package.xml", "tools/node_script.in", "action", "msg", "srv")
# The build installs a link to each of these files, so only an added or removed file requires a build.
_LINKED = (PACKAGE, "launch", "config")


class Workspace:
    """A colcon workspace below `.reacher/` of the checkout, independent of a manual `colcon build`."""

    def __init__(self, checkout: Path, name: str) -> None:
        self._checkout = checkout
        self.folder = checkout / ".reacher" / name
        self._stamps = Stamps(self.folder / "stamps")

    @property
    def prefix(self) -> Path:
        """The folder in which the package is installed."""
        return self.folder / "install" / PACKAGE

    @property
    def prefixes(self) -> list[Path]:
        """The folders in which the package and the added packages are installed."""
        return [self.prefix, *(self.folder / "install" / name for name in self._added())]

    def add(self, folders: Sequence[str]) -> None:
        """Add ROS packages to this build and to later ones.

        Args:
            folders: The folders of their package.xml.

        Raises:
            Problem: A folder contains no ROS package.
        """
        added = self._added()
        for folder in folders:
            path = Path(folder).resolve()
            if not (path / "package.xml").is_file():
                raise Problem(f"{folder} is not a ROS package: it contains no package.xml.")
            added[package_name(path)] = path
        self.folder.mkdir(parents=True, exist_ok=True)
        self._added_file.write_text("".join(f"{path}\n" for path in added.values()))

    @property
    def _added_file(self) -> Path:
        return self.folder / "added_packages"

    def _added(self) -> dict[str, Path]:
        """Return the folders of the added packages by name, without those that no longer exist."""
        if not self._added_file.is_file():
            return {}
        paths = map(Path, self._added_file.read_text().splitlines())
        return {package_name(path): path for path in paths if (path / "package.xml").is_file()}

    def step(self, variables: Callable[[], Mapping[str, str]], environment: str, arguments: Sequence[str] = ()) -> Step:
        """Return the step that builds the package and the added packages.

        Args:
            variables: Returns the environment variables of the build; called once the environment exists.
            environment: Identifies the environment; a change causes a complete rebuild.
            arguments: Additional arguments of `colcon build`.
        """
        definitions = fingerprint(
            [environment, str(self._checkout), *arguments, *contents(self._checkout, _DEFINITIONS)]
        )
        added = self._added()
        names = ", ".join([PACKAGE, *added])
        return Step(
            "build",
            f"Building {names} (20 s; 2 s when only a file was added)",
            [definitions, *files(self._checkout, _LINKED), *(digest(path) for path in added.values())],
            lambda: self._build(variables(), definitions, arguments),
        )

    def pending(self, step: Step) -> bool:
        """Return whether the package has to be built."""
        return bool(self._stamps.pending([step])) or not self.prefix.is_dir()

    def build(self, step: Step) -> None:
        """Build the package if necessary."""
        if not self.prefix.is_dir():
            self._stamps.forget(step.name)
        self._stamps.run([step])

    def _build(self, variables: Mapping[str, str], definitions: str, arguments: Sequence[str]) -> None:
        built_from = self.folder / "definitions"
        if not built_from.is_file() or built_from.read_text() != definitions:
            # An incremental build keeps messages whose definitions were removed.
            for part in ("build", "install"):
                shutil.rmtree(self.folder / part, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            built_from.write_text(definitions)
        (self.folder / "build.log").unlink(missing_ok=True)
        self._colcon([self._checkout], [PACKAGE], variables, ["--symlink-install", *arguments])
        remove_dangling_links(self.prefix)
        if added := self._added():
            paths = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH")
            with_package = {name: prepend(variables.get(name, ""), self.prefix) for name in paths}
            # Copied, because Python finds a linked ament_python package only through colcon's own set-up scripts.
            self._colcon(list(added.values()), list(added), {**variables, **with_package}, arguments)

    def _colcon(
        self, folders: Sequence[Path], names: Sequence[str], variables: Mapping[str, str], arguments: Sequence[str]
    ) -> None:
        log = self.folder / "build.log"
        command: list[str | Path] = ["--log-base", self.folder / "log", "build", "--base-paths", *folders]
        command += ["--packages-select", *names, "--event-handlers", "console_direct-"]
        command += ["--build-base", self.folder / "build", "--install-base", self.folder / "install", *arguments]
        program = shutil.which("colcon", path=variables["PATH"])
        if program is None:
            raise Problem(
                "colcon, which builds the package, is not installed. Install it, then run this command again:\n"
                "    sudo apt-get install python3-colcon-common-extensions"
            )
        if run_logged([program, *command], log, env=variables, cwd=self.folder):
            hint = "" if names == [PACKAGE] else " To build without added packages: ./reacher clean build."
            raise Problem(f"{', '.join(names)} could not be built.{hint} The last lines of {log}:\n{tail(log, 40)}")


def package_name(folder: Path) -> str:
    """Return the name in a folder's package.xml.

    Raises:
        Problem: It contains no name.
    """
    found = re.search(r"<name>\s*([A-Za-z][A-Za-z0-9_-]*)\s*</name>", (folder / "package.xml").read_text())
    if found is None:
        raise Problem(f"{folder / 'package.xml'} contains no package name.")
    return found[1]


def digest(folder: Path) -> str:
    """Return a digest of the names and contents of all files in a folder, without generated files."""
    result = hashlib.sha256()
    for path in _walk(folder, ["."]):
        inside = path.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts):  # such as .git
            continue
        for part in (str(inside).encode(), path.read_bytes()):
            result.update(hashlib.sha256(part).digest())
    return result.hexdigest()


def contents(checkout: Path, names: Sequence[str]) -> list[str]:
    """Return the path and the text of each file, including all files below folders."""
    return [part for path in _walk(checkout, names) for part in (str(path.relative_to(checkout)), path.read_text())]


def files(checkout: Path, names: Sequence[str]) -> list[str]:
    """Return the paths of all files below folders, without caches, hidden files and editor backups."""
    return [str(path.relative_to(checkout)) for path in _walk(checkout, names)]


def _walk(checkout: Path, names: Sequence[str]) -> list[Path]:
    tops = [checkout / name for name in names]
    found = [path for top in tops for path in ([top] if top.is_file() else sorted(top.rglob("*")))]
    return [path for path in found if path.is_file() and not _is_generated(path)]


def _is_generated(path: Path) -> bool:
    return "__pycache__" in path.parts or path.name.startswith(".") or path.name.endswith("~")


def remove_dangling_links(folder: Path) -> None:
    """Remove links whose target no longer exists; an incremental build keeps them."""
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.exists():
            path.unlink()
