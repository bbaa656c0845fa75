"""Policies are passed between processes completely or not at all."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from franka_reacher_rl.core.policy.policy_store import PolicyAnnouncement, PolicyReader, PolicyWriter, remove_stale

READS = 1_000_000
WRITER = """
import sys
from pathlib import Path
from franka_reacher_rl.core.policy.policy_store import PolicyWriter
size = int(sys.argv[2])
with PolicyWriter("run", "net", Path(sys.argv[1])) as writer:
    version = 0
    while True:
        announcement = writer.publish(bytes([version % 256]) * size, version)
        if version == 0:
            print(announcement.shared_memory, flush=True)
        version += 1
        if version % 1000 == 0 and version >= 1000 and Path(sys.argv[1], "stop").exists():
            break
"""


def start_writer(folder: Path, size: int) -> tuple[subprocess.Popen[str], PolicyAnnouncement]:
    """Start a process that publishes as fast as possible, and return it with its first announcement."""
    command = [sys.executable, "-c", WRITER, str(folder), str(size)]
    root = str(Path(__file__).resolve().parents[3])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root})
    assert process.stdout is not None
    path = process.stdout.readline().strip()
    from franka_reacher_rl.core.policy.policy_store import host_name

    return process, PolicyAnnouncement("run", 0, "net", 0, size, host_name(), path)


def test_what_is_published_is_read(tmp_path: Path) -> None:
    reader = PolicyReader("net", "run")
    with PolicyWriter("run", "net", tmp_path) as writer:
        for version in range(5):
            weights = os.urandom(3000)
            announcement = writer.publish(weights, version)
            assert announcement.crc == zlib.crc32(weights) and announcement.size == 3000
            assert reader.read(announcement) == (version, weights)


def test_an_overwritten_version_gives_a_newer_one(tmp_path: Path) -> None:
    with PolicyWriter("run", "net", tmp_path) as writer:
        first = writer.publish(b"a" * 10, 0)
        for version in range(1, 6):
            writer.publish(bytes([version]) * 10, version)
        blob = PolicyReader("net", "run").read(first)
        assert blob is not None and blob.version == 5 and blob.weights == b"\x05" * 10


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"network": "other"}, "another network"),
        ({"run_id": "other"}, "run 'other', this is run 'run'"),
        ({"host": "elsewhere"}, "in the memory of 'elsewhere'"),
        ({"shared_memory": "/nonexistent/file"}, "cannot open"),
        ({"shared_memory": ""}, "without weights"),
        ({"version": 7}, "not in"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    reader = PolicyReader("net", "run")
    with PolicyWriter("run", "net", tmp_path) as writer:
        announcement = writer.publish(b"weights", 1)
        assert reader.read(replace(announcement, **change)) is None  # type: ignore[arg-type]
        assert reason in reader.refusal
        assert reader.read(announcement) == (1, b"weights") and reader.refusal == ""


@pytest.mark.parametrize("kind", ["pipe", "link", "sparse", "folder", "other name", "relative"])
def test_only_the_file_of_a_writer_is_opened(tmp_path: Path, kind: str) -> None:
    """An announcement comes from the network: what it names is opened neither blindly nor through a link."""
    with PolicyWriter("run", "net", tmp_path) as writer:
        announcement = writer.publish(b"weights", 1)
        genuine = Path(announcement.shared_memory)
        path = tmp_path / f"{genuine.name}-{kind}"
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "link":
            path.symlink_to(genuine)
        elif kind == "sparse":
            with path.open("wb") as file:
                file.truncate(6 << 30)
        elif kind == "folder":
            path.mkdir()
        elif kind == "other name":
            path = tmp_path / "secret"
            path.write_bytes(genuine.read_bytes())
        else:
            path = Path(genuine.name)
        reader = PolicyReader("net", "run")
        assert reader.read(replace(announcement, shared_memory=str(path))) is None
        assert "cannot open" in reader.refusal
        assert reader.read(announcement) == (1, b"weights"), "it still reads the right one"


def test_a_policy_of_another_run_is_refused(tmp_path: Path) -> None:
    reader = PolicyReader("net", "one")
    with PolicyWriter("one", "net", tmp_path) as one, PolicyWriter("two", "net", tmp_path) as two:
        assert reader.read(two.publish(b"2", 2)) is None and "ROS_DOMAIN_ID" in reader.refusal
        assert reader.read(one.publish(b"1", 1)) is not None


def test_a_new_learner_of_the_run_may_announce_an_older_version(tmp_path: Path) -> None:
    """It goes on from its last checkpoint."""
    reader = PolicyReader("net", "run")
    with PolicyWriter("run", "net", tmp_path) as first:
        assert reader.read(first.publish(b"new", 9)) == (9, b"new")
    with PolicyWriter("run", "net", tmp_path) as second:
        assert reader.read(second.publish(b"old", 4)) == (4, b"old")


def test_inline_weights_are_checked() -> None:
    announcement = PolicyWriter("run", "net").inline(b"weights", 3)
    reader = PolicyReader("net", "run")
    assert reader.read(replace(announcement, host="elsewhere"), b"weights") == (3, b"weights")
    assert reader.read(announcement, b"weighty") is None and "damaged" in reader.refusal


def test_damage_in_the_file_is_noticed(tmp_path: Path) -> None:
    with PolicyWriter("run", "net", tmp_path) as writer:
        announcement = writer.publish(b"weights" * 1000, 1)
        with open(announcement.shared_memory, "r+b") as file:
            content = bytearray(file.read())
            at = content.index(b"weights")
            file.seek(at)
            file.write(b"X")
        reader = PolicyReader("net", "run")
        assert reader.read(announcement) is None and "not written completely" in reader.refusal


def test_larger_weights_than_the_first_are_refused(tmp_path: Path) -> None:
    with PolicyWriter("run", "net", tmp_path) as writer:
        writer.publish(b"a" * 4096, 0)
        with pytest.raises(ValueError, match="create a new store"):
            writer.publish(b"a" * 4097, 1)


def test_closing_leaves_no_file(tmp_path: Path) -> None:
    with PolicyWriter("run", "net", tmp_path) as writer:
        writer.publish(b"a", 0)
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())


def test_the_file_of_a_killed_writer_is_removed_and_that_of_a_running_one_kept(tmp_path: Path) -> None:
    process, announcement = start_writer(tmp_path, 100)
    try:
        assert remove_stale(tmp_path) == []
    finally:
        process.kill()
        process.wait()
    assert remove_stale(tmp_path) == [Path(announcement.shared_memory)]


def test_a_file_is_not_removed_before_its_writer_has_locked_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another learner may start between the creation of a file and its lock."""
    removed: list[Path] = []
    lock = fcntl.flock

    def started_meanwhile(file: Any, operation: int) -> None:
        if not removed:
            with monkeypatch.context() as other_learner:
                other_learner.setattr(fcntl, "flock", lock)
                removed.extend(remove_stale(tmp_path))
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", started_meanwhile)
    with PolicyWriter("run", "net", tmp_path) as writer:
        announcement = writer.publish(b"weights", 1)
        assert PolicyReader("net", "run").read(announcement) == (1, b"weights")
        assert len(removed) == 1 and removed[0] != Path(announcement.shared_memory)
        assert remove_stale(tmp_path) == []


def test_a_million_reads_beside_a_writer_are_never_torn(tmp_path: Path) -> None:
    """Each payload repeats one byte value that depends on its version, so a torn read would be noticed.

    The writer publishes continuously, so a read may find both slots being written and return nothing.
    """
    process, announcement = start_writer(tmp_path, 2048)
    reader = PolicyReader("net", "run")
    expected = [bytes([value]) * 2048 for value in range(256)]
    read, versions, deadline = 0, set(), time.monotonic() + 90
    try:
        for read in range(1, READS + 1):
            blob = reader.read(announcement)
            if blob is not None:
                assert blob.weights == expected[blob.version % 256]
                versions.add(blob.version)
            if read % 4096 == 0 and time.monotonic() > deadline:
                break
    finally:
        (tmp_path / "stop").touch()
        process.wait(30)
        reader.close()
    assert read == READS, f"only {read} reads in 90 s"
    # on a busy machine both may share a core, so that few versions are seen although many were written
    assert max(versions) - min(versions) > 1000 and len(versions) > 10
