"""Set-up steps run once, and again when their inputs change or when they were interrupted."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bootstrap.processes import run_logged
from bootstrap.steps import Stamps, Step, fingerprint, lock


def steps(done: list[str], first: str = "1", second: str = "2") -> list[Step]:
    """Two steps, the second upon the first, and one on its own."""
    return [
        Step("first", "First", [first], lambda: done.append("first")),
        Step("second", "Second", [second], lambda: done.append("second"), after=["first"]),
        Step("alone", "Alone", [], lambda: done.append("alone")),
    ]


def test_steps_are_done_once(tmp_path: Path) -> None:
    done: list[str] = []
    stamps = Stamps(tmp_path)
    stamps.run(steps(done))
    stamps.run(steps(done))
    assert done == ["first", "second", "alone"]
    assert stamps.pending(steps(done)) == []


@pytest.mark.parametrize(
    ("changed", "again"), [({"first": "other"}, ["first", "second"]), ({"second": "other"}, ["second"])]
)
def test_changed_inputs_repeat_only_what_they_concern(
    tmp_path: Path, changed: dict[str, str], again: list[str]
) -> None:
    done: list[str] = []
    stamps = Stamps(tmp_path)
    stamps.run(steps(done))
    done.clear()
    stamps.run(steps(done, **changed))
    assert done == again


def test_an_interrupted_step_is_not_done(tmp_path: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    stamps = Stamps(tmp_path)
    before, step = Step("before", "Before", [], lambda: None), Step("step", "Step", [], interrupted)
    with pytest.raises(KeyboardInterrupt):
        stamps.run([before, step])
    assert [step.name for step in stamps.pending([before, step])] == ["step"]


def test_a_step_that_is_interrupted_when_repeated_counts_no_more(tmp_path: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    stamps = Stamps(tmp_path)
    stamps.run([Step("step", "Step", ["1"], lambda: None)])
    with pytest.raises(KeyboardInterrupt):
        stamps.run([Step("step", "Step", ["2"], interrupted)])
    assert stamps.pending([Step("step", "Step", ["1"], lambda: None)])


def test_fingerprint_tells_where_parts_end() -> None:
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert fingerprint(["ab"]) == fingerprint(["ab"])


def test_a_second_set_up_waits(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; from pathlib import Path; from bootstrap.steps import lock\nwith lock(Path(sys.argv[1])): pass"
    tools = Path(__file__).resolve().parents[2] / "tools"
    path = tmp_path / "lock"
    with lock(path):
        other = subprocess.Popen([sys.executable, "-c", code, path], env={"PYTHONPATH": str(tools)})
        until = time.monotonic() + 20
        while "waiting for it" not in (said := capfd.readouterr().err) and time.monotonic() < until:
            time.sleep(0.01)
        assert "is setting up this checkout" in said
        assert other.poll() is None
    assert other.wait(timeout=20) == 0


def test_run_logged_keeps_output_and_exit_code(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "step.log"
    assert run_logged([sys.executable, "-SEc", "print('words'); raise SystemExit(3)"], log) == 3
    assert "words" in log.read_text()
