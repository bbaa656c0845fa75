"""Runs an experiment: what is finished stays, what was cut short goes on, what fails is told and loses nothing else."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from franka_reacher_rl.core.base.fields import to_mapping
from franka_reacher_rl.experiments import virtual_run as run_one
from franka_reacher_rl.experiments.progress import Progress
from franka_reacher_rl.experiments.provenance import code_digest, provenance
from franka_reacher_rl.experiments.spec import Experiment, Run

MANIFEST = "manifest.yaml"
_POLL = 0.2  # s


@dataclass(frozen=True)
class Job:
    """A run and its folder."""

    run: Run
    folder: Path

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.run.variant.name} seed {self.run.seed}"

    @property
    def finished(self) -> bool:
        """Whether its result is there."""
        return run_one.finished(self.run, self.folder)


class Executor(Protocol):
    """Whoever carries out runs. Each returns, sooner or later, as done or failed; none raises."""

    slots: int  # runs at the same time

    def start(self, job: Job) -> None:
        """Starts a run; there is a free slot."""

    def ended(self) -> list[tuple[Job, str]]:
        """Runs that have ended since the last call, with why they failed (empty: they did not)."""

    def stop(self) -> None:
        """Ends what still runs."""


class LocalProcesses:
    """A process per run: a crash of one, whatever its reason, leaves the others alone."""

    def __init__(self, slots: int, checkpoint_every: float = run_one.CHECKPOINT_EVERY) -> None:
        self.slots = slots
        self._every = checkpoint_every
        self._running: list[tuple[Job, subprocess.Popen[bytes]]] = []

    def start(self, job: Job) -> None:
        """Starts a run."""
        command = [sys.executable, "-m", run_one.__name__, str(job.folder), str(self._every)]
        root = str(Path(__file__).resolve().parents[2])
        one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        with (job.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **one, "PYTHONPATH": paths}, start_new_session=True
            )
        self._running.append((job, process))

    def ended(self) -> list[tuple[Job, str]]:
        """Runs whose process has ended."""
        over = [(job, process) for job, process in self._running if process.poll() is not None]
        self._running = [pair for pair in self._running if pair not in over]
        return [(job, self._failure(job, process)) for job, process in over]

    def stop(self) -> None:
        """Ends the processes; their checkpoints stay."""
        for _, process in self._running:
            with suppress(ProcessLookupError):
                process.terminate()
        for _, process in self._running:
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running = []

    @staticmethod
    def _failure(job: Job, process: subprocess.Popen[bytes]) -> str:
        if process.returncode == 0 and job.finished:
            return ""
        error = job.folder / run_one.ERROR
        if error.exists():
            return error.read_text().strip().splitlines()[-1]
        return f"its process ended with {process.returncode}; see {job.folder / 'log.txt'}"


class InThisProcess:
    """One run after the other, without a process of its own: for tests and debuggers."""

    slots = 1

    def __init__(self) -> None:
        self._ended: list[tuple[Job, str]] = []

    def start(self, job: Job) -> None:
        """Does the whole run."""
        try:
            run_one.run_folder(job.folder)
        except Exception as error:  # told at the end, as any failure is
            self._ended.append((job, f"{type(error).__name__}: {error}"))
        else:
            self._ended.append((job, ""))

    def ended(self) -> list[tuple[Job, str]]:
        """Runs since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def stop(self) -> None:
        """Nothing runs."""


def run_experiment(
    experiment: Experiment,
    out: Path,
    executor: Executor,
    progress: Progress | None = None,
    reusing: Sequence[Path] = (),
) -> dict[str, str]:
    """Runs what is not finished yet.

    Args:
        experiment: What to run.
        out: Folder of the experiment; made if missing.
        executor: Who carries it out.
        progress: Whom to tell; left out, nobody.
        reusing: Folders of experiments whose equal runs are taken over.

    Returns:
        Why runs failed, by name; empty: none did.

    Raises:
        ValueError: The folder has other things in it, or another configuration, or someone runs in it.
    """
    with exclusive(out):
        jobs = prepare(experiment, out)
        for folder in reusing:
            reuse(jobs, folder)
        waiting = [job for job in jobs if not job.finished]
        progress = progress or Progress(quiet=True)
        progress.begin(len(jobs), len(jobs) - len(waiting))
        failures: dict[str, str] = {}
        running: list[Job] = []
        try:
            while waiting or running:
                while waiting and len(running) < executor.slots:
                    running.append(waiting.pop(0))
                    executor.start(running[-1])
                for job, failure in executor.ended():
                    running.remove(job)
                    progress.ended(job.name, job.folder, failure)
                    if failure:
                        failures[job.name] = failure
                progress.look([(j.folder, j.run) for j in running], [j.run for j in waiting], executor.slots)
                time.sleep(_POLL if running else 0.0)
        finally:
            executor.stop()
        return failures


def prepare(experiment: Experiment, out: Path) -> list[Job]:
    """Writes manifest and specifications.

    Raises:
        ValueError: The folder has other things in it, or another configuration.
    """
    manifest = out / MANIFEST
    known = _read_manifest(manifest) if manifest.exists() else {}
    if not known and any(p.name != ".lock" for p in out.iterdir()):
        raise ValueError(f"{out} holds other files and no {MANIFEST}: take an empty or a new folder")
    _refuse_mixing(experiment, known, out)
    variants = {v.name: {"digest": v.digest, **to_mapping(v)} for v in experiment.variants}
    joined = {*experiment.seeds} - {*known.get("seeds", [])} or {*variants} - {*known.get("variants", {})}
    content = {
        "preset": experiment.preset,
        "description": experiment.description,
        "question": experiment.question,
        "x_label": experiment.x_label,
        "episodes": experiment.episodes,
        "seeds": sorted({*known.get("seeds", []), *experiment.seeds}),
        "beside_paper": experiment.beside_paper,
        "commands": [*known.get("commands", []), *([_command()] if joined else [])],
        "provenance": known.get("provenance") or provenance(),
        "variants": {**known.get("variants", {}), **variants},
    }
    run_one.write_whole(manifest, yaml.safe_dump(content, sort_keys=False))
    jobs = [Job(run, out / run.folder) for run in experiment.runs]
    for job in jobs:
        job.folder.mkdir(parents=True, exist_ok=True)
        if not job.finished:
            job.run.write(job.folder / run_one.RUN)
    return jobs


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Keeps other runners out of a folder; a runner that dies lets go of it.

    Raises:
        ValueError: Another runner is in it, or it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise ValueError(f"{out} cannot be used: {error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"{out}: an experiment is running in it; wait for it, or take another folder") from None
        yield


def reuse(jobs: Sequence[Job], folder: Path) -> int:
    """Copies finished runs of another experiment that would come out the same: same configuration, seed and code.

    Returns:
        How many.
    """
    there: dict[str, Path] = {}
    for path in sorted(folder.glob(f"runs/*/*/{run_one.RESULT}")):
        result = json.loads(path.read_text())
        if result.get("code") == code_digest() and not result.get("realtime"):
            there[result["run"]] = path.parent
    found = [job for job in jobs if not job.finished and job.run.digest in there]
    for job in found:
        for name in (run_one.EPISODES, run_one.POLICY, run_one.RESULT):  # the result last: with it the run is finished
            shutil.copyfile(there[job.run.digest] / name, job.folder / name)
    return len(found)


def _command() -> str:
    """The command that was given, with the folder's place left out."""
    words = ["franka-reacher", *sys.argv[1:]]
    return shlex.join("DIR" if before in ("--out", "--reuse") else word for before, word in zip(["", *words], words))


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict) or "variants" not in content or "episodes" not in content:
        raise ValueError(f"{path} is not an experiment's: take another folder")
    return content


def _refuse_mixing(experiment: Experiment, known: Mapping[str, Any], out: Path) -> None:
    """More seeds and more variants may join; what is there already must be the same."""
    if not known:
        return
    if known["episodes"] != experiment.episodes:
        raise ValueError(
            f"{out} holds runs of {known['episodes']} episodes, not {experiment.episodes}: take another folder"
        )
    if known.get("preset", "") != experiment.preset:
        raise ValueError(f"{out} holds preset {known.get('preset')!r}, not {experiment.preset!r}: take another folder")
    for variant in experiment.variants:
        there = known["variants"].get(variant.name)
        if there is not None and there["digest"] != variant.digest:
            where = _first_difference(there, to_mapping(variant))
            raise ValueError(f"{out} holds {variant.name!r} with another configuration ({where}): take another folder")


def _first_difference(a: Mapping[str, Any], b: Mapping[str, Any], path: str = "") -> str:
    for key in b:
        if isinstance(b[key], Mapping) and isinstance(a.get(key), Mapping):
            inner = _first_difference(a[key], b[key], f"{path}{key}.")
            if inner:
                return inner
        elif a.get(key) != b[key]:
            return f"{path}{key} is {a.get(key)} there, {b[key]} here"
    return ""
