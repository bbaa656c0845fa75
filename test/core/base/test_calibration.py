"""Calibrations read from files, and adapted to cropped and scaled frames."""

from pathlib import Path

import numpy as np
import pytest

from franka_reacher_rl.core.base.calibration import Calibration, Crop, centre_crop

# The format in which camera_calibration writes a calibration.
WRITTEN = """\
image_width: 640
image_height: 480
camera_name: wrist
camera_matrix:
  rows: 3
  cols: 3
  data: [600.0, 0.0, 330.0, 0.0, 610.0, 250.0, 0.0, 0.0, 1.0]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [0.1, -0.2, 0.001, 0.002, 0.0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
projection_matrix:
  rows: 3
  cols: 4
  data: [590.0, 0.0, 331.0, 0.0, 0.0, 605.0, 251.0, 0.0, 0.0, 0.0, 1.0, 0.0]
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "wrist.yaml"
    path.write_text(WRITTEN)
    return path


def test_a_file_of_camera_calibration_is_read(written: Path) -> None:
    calibration = Calibration.load(written)
    assert (calibration.width, calibration.height) == (640, 480)
    assert calibration.k[0] == 600.0 and calibration.k[5] == 250.0 and calibration.p[6] == 251.0
    assert calibration.d == (0.1, -0.2, 0.001, 0.002, 0.0) and calibration.distortion_model == "plumb_bob"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("image_width: 640", "", "image_width"),
        ("600.0, 0.0, 330.0, ", "600.0, ", "camera_matrix has 7 numbers instead of 9"),
        ("[600.0", "[0.0", "must be positive"),
        ("image_width: 640", "image_width: {", "not a calibration as camera_calibration writes it"),
    ],
)
def test_a_wrong_file_is_refused(written: Path, old: str, new: str, message: str) -> None:
    written.write_text(WRITTEN.replace(old, new))
    with pytest.raises(ValueError, match=message):
        Calibration.load(written)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.yaml cannot be read: No such file"):
        Calibration.load(tmp_path / "none.yaml")


def test_the_crop_keeps_the_centre_and_the_aspect_ratio() -> None:
    assert centre_crop(640, 480, 160, 90) == Crop(0, 60, 640, 360)
    assert centre_crop(640, 360, 48, 48) == Crop(140, 0, 360, 360)
    assert centre_crop(160, 90, 160, 90) == Crop(0, 0, 160, 90)


def test_a_point_is_projected_to_where_the_resized_frame_shows_it(written: Path) -> None:
    calibration = Calibration.load(written)
    small = calibration.resized(160, 90)
    assert (small.width, small.height) == (160, 90) and small.d == calibration.d
    point = np.array([0.05, -0.03, 0.8])
    for matrix, columns in (("k", 3), ("p", 4)):
        project = [np.reshape(getattr(c, matrix), (3, columns))[:, :3] @ point for c in (calibration, small)]
        (u, v), (x, y) = ((p[:2] / p[2]) for p in project)
        # Pixel centres are integers: the 4x4 pixels 0 to 3 become pixel 0, whose centre was at 1.5. 60 rows are cut.
        assert (x, y) == (pytest.approx((u - 1.5) / 4), pytest.approx((v - 60 - 1.5) / 4))


def test_a_pinhole_camera_sees_its_field_of_view() -> None:
    calibration = Calibration.pinhole(160, 90, np.radians(60.0))
    f, cx, cy = calibration.k[0], calibration.k[2], calibration.k[5]
    assert 2 * np.degrees(np.arctan(45.0 / f)) == pytest.approx(60.0)
    assert (cx, cy) == (79.5, 44.5)
    assert calibration.resized(320, 180).k == pytest.approx(Calibration.pinhole(320, 180, np.radians(60.0)).k)


@pytest.mark.parametrize("size", [(1, 1, 16, 1080), (1, 1000, 160, 90), (1000, 1, 90, 160), (3, 1, 1, 16)])
def test_a_crop_of_a_frame_of_any_size_has_pixels(size: tuple[int, int, int, int]) -> None:
    crop = centre_crop(*size)
    assert 1 <= crop.width <= size[0] and 1 <= crop.height <= size[1]
    assert crop.left >= 0 and crop.left + crop.width <= size[0]


def test_a_calibration_with_a_value_that_is_not_finite_is_refused(written: Path) -> None:
    written.write_text(WRITTEN.replace("600.0, 0.0, 330.0", ".nan, 0.0, 330.0"))
    with pytest.raises(ValueError, match="all of them finite"):
        Calibration.load(written)
