"""Executes runs on a Ray cluster (`--ray ADDRESS`). Ray is an optional dependency."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from franka_reacher_rl.experiments.executors import Job
from franka_reacher_rl.experiments.run_files import ERROR, RUN

LOST_WORKERS = 5  # that one run may lose before it fails
# Without this, Ray gives a cluster of one computer an address that others reach, even if it is asked for 127.0.0.1.
_ON_LOOPBACK = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


class OnRay:
    """Executes each run as a Ray task. All nodes must see the experiment's folder.

    The run of a worker or node that is lost is taken up by another one, from its last checkpoint. A cluster that is
    started here has no dashboard, and its ports are bound to the loopback interface.
    """

    realtime = False

    def __init__(self, address: str, gpus: float = 0.0) -> None:
        """Connect to a cluster.

        Args:
            address: Address of the cluster's head, `auto`, or `local` to start a cluster on this machine.
            gpus: Number of GPUs per run; a fraction lets runs share one.

        Raises:
            ValueError: Ray is not installed, or there is no such cluster.
        """
        local = address == "local"
        if local:
            os.environ.setdefault(*_ON_LOOPBACK)  # read when Ray is imported
        try:
            import ray  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ImportError:
            raise ValueError("--ray needs Ray: pip install 'franka-reacher-rl[ray]', or pip install ray") from None
        try:
            # Workers import the package from the same place.
            paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
            one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            started: dict[str, Any] = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if local else {}
            runtime = {"env_vars": {"PYTHONPATH": os.pathsep.join(paths), **one}}
            ray.init(
                address=address,
                runtime_env=runtime,
                log_to_driver=False,
                **started,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ValueError(f"no Ray cluster at {address!r}: {error}") from None
        self._ray: Any = ray
        resources = ray.cluster_resources()
        share = resources.get("GPU", 0.0) / gpus if gpus else resources.get("CPU", 1.0)
        self.slots = max(1, int(share))
        # A new worker for each run, since PyTorch's settings and OpenGL contexts belong to a process.
        # A failure of the run itself is not retried: it would fail again.
        self._task = ray.remote(
            num_cpus=1, num_gpus=gpus, max_calls=1, max_retries=LOST_WORKERS, retry_exceptions=False
        )(_run)
        self._running: list[tuple[Job, Any]] = []

    def start(self, job: Job) -> None:
        """Submit a run."""
        self._running.append((job, self._task.remote(str(job.folder))))

    def ended(self) -> list[tuple[Job, str]]:
        """Return the runs whose task has ended."""
        if not self._running:
            return []
        done, _ = self._ray.wait([r for _, r in self._running], num_returns=len(self._running), timeout=0.1)
        over = [(job, reference) for job, reference in self._running if reference in done]
        self._running = [pair for pair in self._running if pair not in over]
        return [(job, self._failure(reference)) for job, reference in over]

    def stop(self) -> None:
        """Cancel the runs that are still running and disconnect from the cluster."""
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
    """Execute the run of a folder on a node; return the reason of its failure, or an empty string."""
    from franka_reacher_rl.experiments.virtual_run import main  # imports PyTorch

    path = Path(folder)
    if not (path / RUN).exists():
        return f"{folder} does not exist on this node: --out must be a folder that all nodes see"
    return "" if main([folder]) == 0 else (path / ERROR).read_text().strip().splitlines()[-1]
