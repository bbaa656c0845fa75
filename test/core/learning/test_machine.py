"""The learner's device, arithmetic, threads and memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from franka_reacher_rl.core.learning import machine
from franka_reacher_rl.core.learning.machine import choose_dtype, parse_cores, prepare_learner


def test_cores_are_parsed() -> None:
    assert parse_cores("1,4-6") == {1, 4, 5, 6}
    for bad in ("a", "", "3-1", "1,,2"):
        with pytest.raises(ValueError, match="not a list such as"):
            parse_cores(bad)


def test_a_missing_core_is_refused() -> None:
    with pytest.raises(ValueError, match="may use"):
        prepare_learner(1, cores="100000")


def test_threads_niceness_and_cores_are_set() -> None:
    core = min(os.sched_getaffinity(0))
    code = (
        "import os, torch\nfrom franka_reacher_rl.core.learning.machine import prepare_learner\n"
        f"prepare_learner(0, nice=7, cores='{core}')\n"
        "print(torch.get_num_threads(), os.nice(0), os.sched_getaffinity(0))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", str(max(7, os.nice(0))), f"{{{core}}}"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
@pytest.mark.parametrize("megabytes", [[64, 64], [40, 40, 40, 40]])  # a heap of a thread's own has pieces of 64 MB
def test_glibc_keeps_freed_memory_in_every_thread(megabytes: list[int]) -> None:
    code = (
        "import resource, threading\nfrom franka_reacher_rl.core.learning.machine import keep_freed_memory\n"
        "assert keep_freed_memory()\n"
        "import torch\ntorch.set_num_threads(1)\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "counts = []\n"
        "def run():\n"
        "    for _ in range(9):\n"
        "        before = faults()\n"
        f"        tensors = [torch.ones(size << 18) for size in {megabytes}]\n"
        "        del tensors\n"
        "        counts.append(faults() - before)\n"
        "for _ in range(2):\n"
        "    thread = threading.Thread(target=run)\n    thread.start()\n    thread.join()\n"
        "print(sorted(counts[3:9])[3], sorted(counts[12:])[3])"  # the first allocations extend the heap
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert max(map(int, done.stdout.split())) < 1000, done.stdout  # of 32768 or more pages


def test_automatic_precision_depends_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for features, dtype in (({"avx2", "amx_bf16"}, torch.bfloat16), ({"avx2"}, torch.float32), (set(), torch.float32)):
        monkeypatch.setattr(machine, "processor_features", lambda features=features: features)
        assert choose_dtype("auto", cpu) == dtype
        assert choose_dtype("float32", cpu) == torch.float32
        assert choose_dtype("bfloat16", cpu) == torch.bfloat16
