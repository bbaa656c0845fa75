"""The installed package: what it must not depend on, and what must be set before PyTorch is loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from franka_reacher_rl import msg

ROOT = Path(__file__).resolve().parents[1]
NODES = sorted(path.stem for path in (ROOT / "franka_reacher_rl" / "nodes").glob("[a-z]*.py"))


def run(code: str, path: Path, **variables: str) -> str:
    """Run Python code with the package in a folder, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment |= {"PYTHONPATH": f"{path}:{os.environ.get('PYTHONPATH', '')}", **variables}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nothing_depends_on_the_code_of_init(tmp_path: Path) -> None:
    installed = Path(msg.__file__).parents[1]
    copy = tmp_path / "franka_reacher_rl"
    shutil.copytree(installed, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "__init__.py").write_text("")  # as ament_cmake may install it
    imports = "\n".join(f"import franka_reacher_rl.nodes.{node}" for node in NODES)
    code = f"{imports}\nfrom franka_reacher_rl.core.base import provenance, paths\nprint(paths.__file__)\n"
    code += "print(provenance.versions()['franka_reacher_rl'], len(provenance.digest_code('core')))"
    version = ElementTree.parse(ROOT / "package.xml").findtext("version")
    assert run(code, tmp_path).splitlines() == [str(copy / "core" / "base" / "paths.py"), f"{version} 16"]


# Prints the variable at the moment PyTorch would be loaded.
SPY = """
import importlib, os, sys
class Spy:
    def find_spec(self, name, path, target=None):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"))
            sys.stdout.flush()
            os._exit(0)
sys.meta_path.insert(0, Spy())
"""


@pytest.mark.parametrize(
    "code",
    [
        "import franka_reacher_rl.nodes.learner",
        "import franka_reacher_rl.cli, franka_reacher_rl.bench.learner",
        "import franka_reacher_rl.cli, franka_reacher_rl.bench.latency",
    ],
)
def test_openmp_is_limited_before_pytorch_is_loaded(code: str) -> None:
    assert run(SPY + code, ROOT) == "10000"
    assert run(SPY + code, ROOT, GOMP_SPINCOUNT="7") == "7"
    assert run(SPY + code, ROOT, OMP_WAIT_POLICY="passive") == "None"


def test_a_nodes_script_prepares_its_process_before_it_loads_libraries() -> None:
    script = (ROOT / "tools" / "node_script.in").read_text().replace("@shebang@", "").replace("@node@", "stub")
    code = f"""import os, sys, types
stub = types.ModuleType("franka_reacher_rl.nodes.stub")
stub.__getattr__ = lambda name: lambda: print(os.nice(0), os.environ["OPENBLAS_NUM_THREADS"], "numpy" in sys.modules)
sys.modules[stub.__name__] = stub
{script}"""
    before = os.nice(0)
    expected = f"{min(19, before + 3)} 1 False"
    assert run(code, ROOT, REACHER_NICENESS="3", OPENBLAS_NUM_THREADS="1") == expected
    assert run(code, ROOT, REACHER_NICENESS="3", OPENBLAS_NUM_THREADS="2") == expected.replace(" 1 ", " 2 ")
