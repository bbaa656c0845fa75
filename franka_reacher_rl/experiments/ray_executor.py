"""The same runs on a Ray cluster: `--ray ADDRESS`. Ray is an optional extra."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from franka_reacher_rl.experiments.executors import Job
from franka_reacher_rl.experiments.run_files import ERROR, RUN


class OnRay:
    """A Ray task per run. The experiment's folder must be one that all nodes see."""

    realtime = False

    def __init__(self, address: str, gpus: float = 0.0) -> None:
        """Joins a cluster.

        Args:
            address: Of the cluster's head, `auto`, or `local` for one of this machine's own.
            gpus: Share of a GPU that a run takes.

        Raises:
            ValueError: Ray is not installed, or there is no such cluster.
        """
        try:
            import ray  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ImportError:
            raise ValueError("--ray needs Ray: pip install 'franka-reacher-rl[ray]', or pip install ray") from None
        try:
            # workers import the package from where it was imported here
            paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
            one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            runtime = {"env_vars": {"PYTHONPATH": os.pathsep.join(paths), **one}}
            ray.init(
                address=None if address == "local" else address,
                runtime_env=runtime,
                log_to_driver=False,
                include_dashboard=False if address == "local" else None,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ValueError(f"no Ray cluster at {address!r}: {error}") from None
        self._ray: Any = ray
        resources = ray.cluster_resources()
        share = resources.get("GPU", 0.0) / gpus if gpus else resources.get("CPU", 1.0)
        self.slots = max(1, int(share))
        # A fresh worker for each run: PyTorch's settings and OpenGL contexts are a process's.
        self._task = ray.remote(num_cpus=1, num_gpus=gpus, max_calls=1, max_retries=2)(_run)
        self._running: list[tuple[Job, Any]] = []

    def start(self, job: Job) -> None:
        """Submits a run."""
        self._running.append((job, self._task.remote(str(job.folder))))

    def ended(self) -> list[tuple[Job, str]]:
        """Runs whose task has ended."""
        if not self._running:
            return []
        done, _ = self._ray.wait([r for _, r in self._running], num_returns=len(self._running), timeout=0.1)
        over = [(job, reference) for job, reference in self._running if reference in done]
        self._running = [pair for pair in self._running if pair not in over]
        return [(job, self._failure(reference)) for job, reference in over]

    def stop(self) -> None:
        """Cancels what still runs and leaves the cluster."""
        for _, reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running = []
        self._ray.shutdown()

    def _failure(self, reference: Any) -> str:
        try:
            return str(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            return f"Ray: {str(error).strip().splitlines()[0]}"


def _run(folder: str) -> str:
    """On a node: does the run in a folder; why it failed, or nothing."""
    from franka_reacher_rl.experiments.virtual_run import main  # imports PyTorch

    path = Path(folder)
    if not (path / RUN).exists():
        return f"{folder} is not there on this node: --out must be a folder that all nodes see"
    return "" if main([folder]) == 0 else (path / ERROR).read_text().strip().splitlines()[-1]
