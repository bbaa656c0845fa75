"""A file that was damaged or made on purpose gives a ValueError with a message, quickly."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fuzzing
import pytest
import yaml
from fuzzing import changed, damaged, documents, fuzzed
from hypothesis import example, given
from hypothesis import strategies as st

from franka_reacher_rl.analysis.curve import read_returns
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.calibration import Calibration
from franka_reacher_rl.core.base.documents import MOST_BYTES, load_json, load_table, load_yaml
from franka_reacher_rl.core.base.paths import config_dir
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.run.counters_file import COUNTERS_FILE, CountersFile
from franka_reacher_rl.core.run.progress_file import ProgressFile
from franka_reacher_rl.core.task.summary import COLUMNS
from franka_reacher_rl.experiments.results import load
from franka_reacher_rl.experiments.run_files import RESULT, finished
from franka_reacher_rl.experiments.runner import _read_manifest
from franka_reacher_rl.experiments.spec import Run, make_experiment
from franka_reacher_rl.launching.parameter_file import check_parameter_file
from franka_reacher_rl.virtual.latency import load_latency

BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghijklmn", "bcdefghijklmno")
)
TEXTS = [
    "",
    "\t",
    "---",
    "a: [",
    "a: &x *x",
    "&x {a: *x}",
    "!!python/object/apply:os.system [ls]",
    "? [1]\n: 2",
    "!!int ''",
    "!!bool maybe",
    "!!timestamp x",
    "2001-99-99",
    "<<: 3",
    "a: 0x" + "f" * 9000,
    "1:" * 4000 + "1",
    "[" * 2000,
    "{a: " * 3000,
    "9" * 9000,
    BOMB,
    BOMB.replace("[*", "{<<: [*").replace("*a]", "*a]}"),
    "a: .inf",
    "a: .nan",
    "\ufeffa: 1",
    "{}",
    "[]",
    "/**: 3",
    "/**: {ros__parameters: 3}",
    "cases: 3",
    "cases: {default: 3}",
    "cases: {default: {update: [1]}}",
]
CALIBRATION = {
    "image_width": 640, "image_height": 480, "camera_name": "c", "distortion_model": "plumb_bob",
    "camera_matrix": {"rows": 3, "cols": 3, "data": [600.0, 0.0, 320.0, 0.0, 600.0, 240.0, 0.0, 0.0, 1.0]},
    "distortion_coefficients": {"data": [0.1, 0.0, 0.0, 0.0, 0.0]},
    "rectification_matrix": {"data": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]},
    "projection_matrix": {"data": [600.0, 0.0, 320.0, 0.0, 0.0, 600.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]},
}  # fmt: skip


def _document(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _resized(path: Path) -> None:
    Calibration.load(path).resized(160, 90)


# What reads each kind of file, and a valid document of that kind.
LOADERS: dict[str, tuple[Callable[[Path], Any], Any]] = {
    "setting": (Setting.load, _document(config_dir() / "settings" / "async_lite.yaml")),
    "robot": (Robot.load, _document(config_dir() / "robots" / "panda_sim.yaml")),
    "latency": (lambda path: load_latency(path, "async_lite"), _document(config_dir() / "latency" / "two_cores.yaml")),
    "preset": (lambda path: make_experiment(str(path)), _document(config_dir() / "presets" / "smoke.yaml")),
    "calibration": (_resized, CALIBRATION),
    "manifest": (_read_manifest, {"variants": {"a": {"digest": "1"}}, "episodes": 3}),
    "params_file": (
        lambda path: check_parameter_file(path, ["/camera", "/actor"]), {"camera": {"ros__parameters": {"fps": 30.0}}},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("files")


def refused(read: Callable[[], Any]) -> None:
    """Reads a file, which may fail with a message of a few lines."""
    try:
        read()
    except ValueError as error:
        assert str(error) and len(str(error)) < 5000, str(error)[:500]


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_that_is_no_such_document(kind: str, text: str, folder: Path) -> None:
    fuzzing.count()
    load_file, _ = LOADERS[kind]
    path = folder / f"{kind}.yaml"
    path.write_text(text)
    refused(lambda: load_file(path))


@pytest.mark.parametrize("kind", LOADERS)
@fuzzed(0.3)
@given(data=st.data())
def test_a_document_with_other_values(kind: str, folder: Path, data: st.DataObject) -> None:
    fuzzing.count()
    load_file, valid = LOADERS[kind]
    path = folder / f"{kind}.yaml"
    # JSON is YAML, and faster to write.
    path.write_text(json.dumps(data.draw(changed(valid))))
    refused(lambda: load_file(path))


@pytest.mark.parametrize("kind", LOADERS)
@fuzzed(0.2)
@given(data=st.data())
def test_a_file_with_damaged_bytes(kind: str, folder: Path, data: st.DataObject) -> None:
    fuzzing.count()
    load_file, valid = LOADERS[kind]
    path = folder / f"{kind}.yaml"
    path.write_bytes(data.draw(damaged(yaml.safe_dump(valid).encode())))
    refused(lambda: load_file(path))


@pytest.mark.parametrize("kind", LOADERS)
def test_what_is_not_a_small_regular_file(kind: str, folder: Path) -> None:
    load_file, _ = LOADERS[kind]
    path = folder / f"{kind}_large.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(ValueError, match=str(MOST_BYTES)):
        load_file(path)
    pipe = folder / f"{kind}_pipe.yaml"
    os.mkfifo(pipe)
    with pytest.raises(ValueError):
        load_file(pipe)


def test_a_pipe_is_refused_without_waiting(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    for read in (load_yaml, load_json, load_table):
        with pytest.raises(ValueError, match="not a regular file"):
            read(pipe)


def test_a_number_of_values_that_would_explode_is_refused(folder: Path) -> None:
    path = folder / "bomb.yaml"
    path.write_text(BOMB)
    with pytest.raises(ValueError, match="more than 100000 values"):
        load_yaml(path)
    path.write_text("a: &a {k: [1, 2]}\nb: [*a, *a]\nc: {<<: *a}")
    assert load_yaml(path) == {"a": {"k": [1, 2]}, "b": [{"k": [1, 2]}] * 2, "c": {"k": [1, 2]}}


PROGRESS = {
    "run_id": "1", "state": "running", "episode": 3, "training_seconds": 1.0, "total_steps": 9, "run_seconds": 2.0
}  # fmt: skip
NOTE = {"run_id": "1", "updates": 3, "stored_steps": 5}
RUN = make_experiment("smoke").runs[0]


@fuzzed()
@given(document=changed(PROGRESS) | documents(), whole=st.booleans(), data=st.data())
@example(document={**PROGRESS, "episode": 10**400}, whole=True, data=None)
@example(document={**PROGRESS, "run_seconds": float("inf")}, whole=True, data=None)
@example(document={**PROGRESS, "episode": True}, whole=True, data=None)
def test_progress(document: Any, whole: bool, data: Any, folder: Path) -> None:
    fuzzing.count()
    path, text = folder / "progress.json", json.dumps(document).encode()
    path.write_bytes(text if whole or data is None else data.draw(damaged(text)))
    file = ProgressFile(path, "1")
    try:
        progress = file.load()
    except ValueError as error:
        assert "progress.json" in str(error)
    else:
        assert progress is None or (type(progress.episode) is int and progress.episode >= 0)


@fuzzed()
@given(document=changed(NOTE) | documents(), data=st.data(), whole=st.booleans())
def test_counters(document: Any, whole: bool, data: st.DataObject, folder: Path) -> None:
    fuzzing.count()
    text = json.dumps(document).encode()
    (folder / COUNTERS_FILE).write_bytes(text if whole else data.draw(damaged(text)))
    assert isinstance(CountersFile(folder, "1").lost(1, 2), str)


@fuzzed(0.3)
@given(document=documents(), data=st.data(), whole=st.booleans())
def test_run_specification_and_result(document: Any, whole: bool, data: st.DataObject, folder: Path) -> None:
    fuzzing.count()
    RUN.write(folder / "run.json")
    made = data.draw(changed(json.loads((folder / "run.json").read_text())))
    (folder / "run.json").write_text(json.dumps(made))
    refused(lambda: Run.read(folder / "run.json"))
    text = json.dumps(document).encode()
    (folder / RESULT).write_bytes(text if whole else data.draw(damaged(text)))
    assert finished(RUN, folder) is False


TABLE = ",".join(COLUMNS) + "\n" + ",".join("1" for _ in COLUMNS) + "\n"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of an experiment with one finished run."""
    made = tmp_path_factory.mktemp("experiment")
    (made / "runs" / "a" / "seed0").mkdir(parents=True)
    return made


@fuzzed(0.3)
@given(data=st.data())
def test_tables_and_manifests_of_results(experiment: Path, data: st.DataObject) -> None:
    fuzzing.count()
    run = experiment / "runs" / "a" / "seed0"
    manifest = {"variants": {"a": {"group": "", "x": 1, "wiring": "sync"}}, "episodes": 1, "seeds": [0]}
    (experiment / "manifest.yaml").write_text(json.dumps(data.draw(changed(manifest) | st.just(manifest))))
    (run / "episodes.csv").write_bytes(data.draw(damaged(TABLE.encode())))
    (run / RESULT).write_text(json.dumps(data.draw(documents())))
    refused(lambda: load(experiment).codes)
    refused(lambda: read_returns(run))


@pytest.mark.parametrize(
    "table",
    ["", "a,b\n1\n", "a,b\n1,2,3\n", "\x00", 'a\n"', "a\n" + "9" * 200_000, "\ufeffa\n1\n", "a\r\n1\r\n"],
)
def test_a_table_that_is_none(table: str, folder: Path) -> None:
    path = folder / "table.csv"
    path.write_text(table, newline="")
    refused(lambda: load_table(path))
