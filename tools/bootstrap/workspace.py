"""Builds the package, only when a build would change something."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bootstrap.problem import Problem
from bootstrap.processes import run_logged, tail
from bootstrap.steps import Stamps, Step, fingerprint

PACKAGE = "franka_reacher_rl"
# A change inside one of these changes what is compiled or generated.
_DEFINITIONS = ("CMakeLists.txt", "package.xml", "tools/node_script.in", "msg", "srv")
# Of these the build links each file into place: only a file more or less needs another build.
_LINKED = (PACKAGE, "launch", "config")


class Workspace:
    """One build of the package, in the ignored folder of the checkout; `colcon build` by hand is independent of it."""

    def __init__(self, checkout: Path, name: str) -> None:
        self._checkout = checkout
        self.folder = checkout / ".reacher" / name
        self._stamps = Stamps(self.folder / "stamps")

    @property
    def prefix(self) -> Path:
        """Where the package is installed."""
        return self.folder / "install" / PACKAGE

    def step(self, variables: Callable[[], Mapping[str, str]], environment: str, arguments: Sequence[str] = ()) -> Step:
        """The build as a step.

        Args:
            variables: Gives the environment variables to build with, once the environment is there.
            environment: Whatever identifies the environment: built in another one, it is built anew.
            arguments: More arguments for `colcon build`.
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
        """Whether a build would change something."""
        return bool(self._stamps.pending([step])) or not self.prefix.is_dir()

    def build(self, step: Step) -> None:
        """Builds if need be."""
        if not self.prefix.is_dir():
            self._stamps.forget(step.name)
        self._stamps.run([step])

    def _build(self, variables: Mapping[str, str], definitions: str, arguments: Sequence[str]) -> None:
        built_from = self.folder / "definitions"
        if not built_from.is_file() or built_from.read_text() != definitions:
            # A removed message would live on in an old build.
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
                "There is no colcon to build with. Install it, then run this again:\n"
                "    sudo apt-get install python3-colcon-common-extensions"
            )
        if run_logged([program, *command], log, env=variables, cwd=self.folder):
            raise Problem(f"The package couldn't be built; the end of {log} says:\n{tail(log, 40)}")
        remove_dangling_links(self.folder / "install")


def contents(checkout: Path, names: Sequence[str]) -> list[str]:
    """The text of files, and of all files below folders, each preceded by its path."""
    return [part for path in _walk(checkout, names) for part in (str(path.relative_to(checkout)), path.read_text())]


def files(checkout: Path, names: Sequence[str]) -> list[str]:
    """The paths of all files below folders, less what Python and editors leave there."""
    return [str(path.relative_to(checkout)) for path in _walk(checkout, names)]


def _walk(checkout: Path, names: Sequence[str]) -> list[Path]:
    tops = [checkout / name for name in names]
    found = [path for top in tops for path in ([top] if top.is_file() else sorted(top.rglob("*")))]
    return [path for path in found if path.is_file() and not _is_litter(path)]


def _is_litter(path: Path) -> bool:
    return "__pycache__" in path.parts or path.name.startswith(".") or path.name.endswith("~")


def remove_dangling_links(folder: Path) -> None:
    """Removes the links to files that are gone; an incremental build leaves them."""
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.exists():
            path.unlink()
