from __future__ import annotations

from pathlib import Path

import pytest

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files import model_digest
from franka_reacher_rl.core.base.paths import scene_path
from franka_reacher_rl.core.base.provenance import digest_code
from franka_reacher_rl.experiments import provenance


def test_virtual_time_and_the_graph_have_digests_of_their_own() -> None:
    assert provenance.code_digest() == provenance.code_digest() != provenance.code_digest(realtime=True)
    assert digest_code("core") != digest_code("sim")
    made = provenance.provenance()
    assert made["code"] == provenance.code_digest()
    assert made["machine"]["processor"]


def test_the_scene_is_part_of_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    robot = Robot.load("panda_sim")
    before = model_digest.model_digest(robot)
    scene = tmp_path / "scene.xml"
    scene.write_text(scene_path().read_text().replace("<worldbody>", '<worldbody><body name="box"/>'))
    monkeypatch.setattr(model_digest, "scene_path", lambda: scene)
    assert model_digest.model_digest(robot) != before


def test_results_of_other_code_are_told_apart(tmp_path: Path) -> None:
    code, graph = provenance.code_digest(), provenance.code_digest(realtime=True)
    assert provenance.made_by_this_code({"code": code})
    assert provenance.made_by_this_code({"code": graph, "realtime": True})
    for other in ({"code": "other"}, {}, {"code": code, "realtime": True}):
        assert not provenance.made_by_this_code(other)
    provenance.require_this_code({"code": code}, tmp_path)
    provenance.require_this_code({"code": graph}, tmp_path, realtime=True)
    with pytest.raises(ValueError, match=r"another version of the code \(digest other, commit abc; now digest"):
        provenance.require_this_code({"code": "other", "commit": "abc"}, tmp_path)
