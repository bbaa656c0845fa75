"""Names of settings, with and without a wiring."""

from __future__ import annotations

from pathlib import Path

import pytest

from franka_reacher_rl.core.base.settings import Setting, setting_path


@pytest.mark.parametrize(
    ("name", "wiring", "default", "found"),
    [
        ("async_baseline", "", "", "async_baseline"),
        ("async_baseline", "async", "", "async_baseline"),
        ("baseline", "async", "", "async_baseline"),
        ("baseline", "sync", "", "sync_baseline"),
        ("baseline", "", "async", "async_baseline"),
        ("sync_baseline", "", "async", "sync_baseline"),
    ],
)
def test_a_name_with_or_without_its_wiring(name: str, wiring: str, default: str, found: str) -> None:
    assert setting_path(name, wiring, default_wiring=default).stem == found


@pytest.mark.parametrize(
    ("name", "wiring", "default", "message"),
    [
        ("baseline", "", "", "setting 'baseline' needs a wiring: give 'async_baseline' or 'sync_baseline'"),
        ("async_baseline", "sync", "", "'async_baseline' is for the async wiring, not for sync: give 'sync_baseline'"),
        ("basline", "async", "", r"no setting 'basline' \(did you mean 'baseline'\?\): there are baseline, highres"),
        ("async_basline", "async", "", r"did you mean 'async_baseline'"),
        ("async_basline", "", "", r"did you mean 'async_baseline'\?\): there are async_baseline, .*sync_lite"),
        ("basline", "", "async", r"did you mean 'baseline'"),
        ("nonsense", "async", "", r"no setting 'nonsense': there are baseline, highres, lite, or give the path"),
        ("nowhere.yaml", "async", "", "no such file"),
    ],
)
def test_a_wrong_name_is_explained(name: str, wiring: str, default: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        setting_path(name, wiring, default_wiring=default)


def test_a_file_serves_either_wiring(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("/**: {ros__parameters: {episode: {cycle_ms: 50.0}}}")
    assert setting_path(str(path), "sync") == setting_path(str(path), "async") == path
    assert Setting.load(path).episode.cycle_ms == 50.0
