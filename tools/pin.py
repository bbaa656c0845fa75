"""Write requirements/constraints-<Python version>.txt, which pins every package, for the Python that runs this.

Run it once with each supported Python, for example `python3.12 tools/pin.py`, after changing environment.txt.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent / "requirements"
# Not pinned: pip itself, and the CUDA packages, whose exact versions depend on the platform and are pinned by torch.
UNPINNED = ("pip", "nvidia-", "cuda-", "triton")


def resolve() -> list[str]:
    """Return pins for all packages, as pip resolves them in an empty environment without installing them."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--upgrade", "pip"], check=True)
        report = Path(folder) / "report.json"
        command: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--report", report, "--requirement", REQUIREMENTS / "environment.txt"]
        subprocess.run(command, check=True)
        packages = [entry["metadata"] for entry in json.loads(report.read_text())["install"]]
    # A version's local part (2.13.0+cpu) depends on the index; any build of the version is accepted.
    pins = {package["name"].lower(): package["version"].split("+")[0] for package in packages}
    return [f"{name}=={pins[name]}" for name in sorted(pins) if not name.startswith(UNPINNED)]


def main() -> None:
    """Write the file and print its name."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = REQUIREMENTS / f"constraints-{version}.txt"
    lines = [f"# Made with Python {version} by tools/pin.py.", *resolve()]
    target.write_text("\n".join(lines) + "\n")
    print(f"{target.name}: {len(lines) - 1} packages")


if __name__ == "__main__":
    main()
