"""Build the package when its sources have changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bootstrap.problem import Problem
from bootstrap.processes import run_logged, tail
from bootstrap.steps import Stamps, Step, fingerprint

PACKAGE = "franka_reacher_rl"
# A change inside one of these changes what is compiled or generated.
_DEFINITIONS = ("CMakeLists.txt", "package.xml", "tools/node_script.in", "action", "msg", "srv")
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

    def step(self, variables: Callable[[], Mapping[str, str]], environment: str, arguments: Sequence[str] = ()) -> Step:
        """Return the step that builds the package.

        Args:
            variables: Returns the environment variables of the build; called once the environment exists.
            environment: Identifies the environment; a change causes a complete rebuild.
            arguments: Additional arguments of `colcon build`.
        """
        definitions = fingerprint(
            [environment, str(self._checkout), *arguments, *contents(self._checkout, _DEFINITIONS)]
        )
        return Step(
            "build",
            f"Building {PACKAGE} (20 s; 2 s when only a file was added)",
            [definitions, *files(self._checkout, _LINKED)],
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
        log = self.folder / "build.log"
        log.unlink(missing_ok=True)
        command: list[str | Path] = ["--log-base", self.folder / "log", "build", "--base-paths", self._checkout]
        command += ["--packages-select", PACKAGE, "--symlink-install", "--event-handlers", "console_direct-"]
        command += ["--build-base", self.folder / "build", "--install-base", self.folder / "install", *arguments]
        program = shutil.which("colcon", path=variables["PATH"])
        if program is None:
            raise Problem(
                "colcon, which builds the package, is not installed. Install it, then run this command again:\n"
                "    sudo apt-get install python3-colcon-common-extensions"
            )
        if run_logged([program, *command], log, env=variables, cwd=self.folder):
            raise Problem(f"The package could not be built. The last lines of {log}:\n{tail(log, 40)}")
        remove_dangling_links(self.folder / "install")


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
