"""Runs an experiment: resumes interrupted runs; one failing run does not stop the others."""

from __future__ import annotations

import fcntl
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from franka_reacher_rl.core.base.documents import load_json, load_yaml
from franka_reacher_rl.core.base.fields import to_mapping
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.experiments.executors import Executor, Job
from franka_reacher_rl.experiments.progress import Progress
from franka_reacher_rl.experiments.provenance import made_by_this_code, provenance, require_this_code
from franka_reacher_rl.experiments.run_files import EPISODES, POLICY, RESULT, RUN
from franka_reacher_rl.experiments.spec import Experiment

MANIFEST = "manifest.yaml"
_POLL = 0.2  # s


def run_experiment(
    experiment: Experiment,
    out: Path,
    executor: Executor,
    progress: Progress | None = None,
    reusing: Sequence[Path] = (),
) -> dict[str, str]:
    """Run what is not finished yet.

    Args:
        experiment: What to run.
        out: Folder of the experiment; made if missing.
        executor: Executes the runs.
        progress: Prints progress; by default nothing is printed.
        reusing: Folders of experiments from which equal runs are copied.

    Returns:
        The reason of each failed run, by its name.

    Raises:
        ValueError: The folder holds other files or another configuration, or is in use by another runner.
    """
    with exclusive(out):
        jobs = prepare(experiment, out, executor.realtime)
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


def prepare(experiment: Experiment, out: Path, realtime: bool = False) -> list[Job]:
    """Write manifest and specifications.

    Raises:
        ValueError: The folder holds other files, another configuration, or results of other code.
    """
    manifest = out / MANIFEST
    known = _read_manifest(manifest) if manifest.exists() else {}
    if not known and any(p.name != ".lock" for p in out.iterdir()):
        raise ValueError(f"{out} holds other files and no {MANIFEST}: take an empty or a new folder")
    _refuse_mixing(experiment, known, out)
    if known:
        require_this_code(known.get("provenance", {}), out, realtime)
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
        "realtime": realtime,
        "provenance": known.get("provenance") or provenance(realtime),
        "variants": {**known.get("variants", {}), **variants},
    }
    write_atomic(manifest, yaml.safe_dump(content, sort_keys=False))
    jobs = [Job(run, out / run.folder) for run in experiment.runs]
    for job in jobs:
        job.folder.mkdir(parents=True, exist_ok=True)
        if not job.finished:
            job.run.write(job.folder / RUN)
    return jobs


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Lock a folder against other runners; the lock ends with the process.

    Raises:
        ValueError: Another runner uses it, or it cannot be made.
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
    """Copy finished runs of another experiment with the same configuration, models, seed and code.

    Returns:
        The number of runs copied.
    """
    there: dict[str, Path] = {}
    for path in sorted(folder.glob(f"runs/*/*/{RESULT}")):
        result = load_json(path)
        if isinstance(result, dict) and made_by_this_code(result) and not result.get("realtime"):
            there[str(result.get("run"))] = path.parent
    found = [job for job in jobs if not job.finished and job.run.digest in there]
    for job in found:
        for name in (EPISODES, POLICY, RESULT):  # the result last: with it the run is finished
            shutil.copyfile(there[job.run.digest] / name, job.folder / name)
    return len(found)


def _command() -> str:
    """Return the command line, without the paths of folders."""
    words = ["franka-reacher", *sys.argv[1:]]
    return shlex.join("DIR" if before in ("--out", "--reuse") else word for before, word in zip(["", *words], words))


def _read_manifest(path: Path) -> dict[str, Any]:
    content = load_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get("variants"), dict) or "episodes" not in content:
        raise ValueError(f"{path} is not an experiment's: take another folder")
    return content


def _refuse_mixing(experiment: Experiment, known: Mapping[str, Any], out: Path) -> None:
    """Allow more seeds and variants to join; existing ones must be the same."""
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
