from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from franka_reacher_rl.core.base.paths import config_dir
from franka_reacher_rl.experiments.spec import Run, make_experiment, parse_seeds


def test_seeds() -> None:
    assert parse_seeds("0:5") == (0, 1, 2, 3, 4)
    assert parse_seeds("3") == (3,)
    assert parse_seeds("0,4,2") == (0, 4, 2)
    for wrong in ("", "a", "5:0", "-1", "1,1", "0:2:3"):
        with pytest.raises(ValueError, match="seeds = "):
            parse_seeds(wrong)


@pytest.mark.parametrize("preset", sorted(p.stem for p in (config_dir() / "presets").glob("*.yaml")))
def test_every_preset_can_be_made_and_read_back(preset: str, tmp_path: Path) -> None:
    made = make_experiment(preset)
    assert made.description
    assert len({run.folder for run in made.runs}) == len(made.seeds) * len(made.variants)
    assert len({variant.digest for variant in made.variants}) == len(made.variants), "no two variants are the same"
    made.runs[0].write(tmp_path / "run.json")
    assert Run.read(tmp_path / "run.json") == made.runs[0]
    assert Run.read(tmp_path / "run.json").digest == made.runs[0].digest


def test_lite_is_the_papers_comparison_at_another_size() -> None:
    lite = {v.name: v for v in make_experiment("lite").variants}
    for paper in make_experiment(
        settings=["async_baseline", "sync_baseline", "async_highres", "sync_highres"]
    ).variants:
        small = lite[paper.name]
        assert small.wiring == paper.wiring == paper.name.partition("_")[0]
        assert small.setting.episode == paper.setting.episode
        assert small.latency == paper.latency
        assert small.setting.sac == paper.setting.sac
        assert small.setting.image.width == 0.3 * paper.setting.image.width
        assert small.setting.learner.batch_size == paper.setting.learner.batch_size / 4


def test_settings_without_a_preset() -> None:
    made = make_experiment(settings=["async_lite", "sync_lite"], seeds="2:4", latency="zero")
    assert made.episodes == 720
    assert [(r.variant.name, r.seed) for r in made.runs] == [
        ("async_lite", 2),
        ("sync_lite", 2),
        ("async_lite", 3),
        ("sync_lite", 3),
    ]
    assert made.variants[0].latency.learner_seconds == 0.0


def test_a_preset_can_be_cut_down() -> None:
    made = make_experiment("lite", settings=["sync_highres"], seeds="1", episodes=7)
    assert [(r.variant.name, r.seed, r.episodes) for r in made.runs] == [("sync_highres", 1, 7)]


def test_the_digest_is_of_what_changes_results() -> None:
    variant = make_experiment("lite").variants[0]
    assert dataclasses.replace(variant, name="other", group="g", x=3.0).digest == variant.digest
    assert dataclasses.replace(variant, command_timeout=0.05).digest != variant.digest
    assert dataclasses.replace(variant, robot_digest="other").digest != variant.digest
    assert dataclasses.replace(variant, model_digest="other").digest != variant.digest


def test_another_model_of_the_same_robot_file_makes_another_variant(tmp_path: Path) -> None:
    robots, digests = config_dir() / "robots", []
    robot = tmp_path / "arm.yaml"
    robot.write_text((robots / "panda_sim.yaml").read_text().replace(" panda.urdf", f" {tmp_path / 'arm.urdf'}"))
    preset = tmp_path / "own.yaml"
    preset.write_text(f"variants: {{async_lite: {{robot: {robot}}}}}")
    for change in ("", "<!-- a comment -->", '<link name="box"/>'):
        urdf = (robots / "panda.urdf").read_text().replace("</robot>", f"{change}\n</robot>")
        (tmp_path / "arm.urdf").write_text(urdf)
        digests.append(make_experiment(str(preset)).variants[0].digest)
    assert digests[0] == digests[1] != digests[2]


def test_what_is_unknown_is_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no setting 'async_huge'.*: there are .*async_baseline"):
        make_experiment(settings=["async_huge"])
    with pytest.raises(ValueError, match="no preset 'huge': there are .*lite"):
        make_experiment("huge")
    with pytest.raises(ValueError, match="no variant 'sync_lite': its variants are async_baseline"):
        make_experiment("lite", settings=["sync_lite"])
    with pytest.raises(ValueError, match="nothing to run"):
        make_experiment()
    path = tmp_path / "own.yaml"
    for content, message in (
        ("variants: {async_lite: {sets: {}}}", "unknown key 'sets'"),
        ("variants: {async_lite: {set: {learner: {batch: 3}}}}", "unknown 'batch'"),
        ("variants: {async_lite: {wiring: both}}", "wiring"),
        ("variants: {async_lite: {robot: r2d2}}", "no robot 'r2d2'"),
        ("seeds: 3", "'variants:' is missing"),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=message):
            make_experiment(str(path))
