"""Crops have the right pixels, each image at its own offset."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from franka_reacher_rl.core.learning.augment import Cropper, centre_crop, draw_offsets


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("by_index", [False, True])
def test_crops_are_exact(dtype: torch.dtype, by_index: bool) -> None:
    stacks = torch.randint(0, 256, (7, 12, 20, 30), dtype=torch.uint8)
    images = stacks[:, 3:]  # not contiguous, like the stacks of a batch
    offsets = draw_offsets(7, (2, 3), torch.Generator().manual_seed(0))
    cropper = Cropper(16, 24, dtype)
    for _ in range(2):  # the second call reuses the memory
        pixels = cropper._by_index(images, offsets).to(dtype) if by_index else cropper(images, offsets)
        assert pixels.dtype == dtype
        for image, pixel, (row, column) in zip(images, pixels, offsets.tolist(), strict=True):
            assert torch.equal(pixel.float(), image[:, row : row + 16, column : column + 24].float())
    assert by_index or pixels.is_contiguous(memory_format=torch.channels_last)


def test_a_smaller_batch_gets_memory_of_its_own() -> None:
    cropper, offsets = Cropper(4, 4, torch.float32), torch.zeros(3, 2, dtype=torch.int64)
    images = torch.randint(0, 256, (3, 3, 6, 6), dtype=torch.uint8)
    assert cropper(images, offsets).shape == (3, 3, 4, 4)
    assert torch.equal(cropper(images[:2], offsets[:2]), images[:2, :, :4, :4].float())


def test_offsets_cover_both_edges_and_the_centre_is_between() -> None:
    offsets = draw_offsets(3000, (1, 2), torch.Generator().manual_seed(1)).numpy()
    rows, columns = np.bincount(offsets[:, 0]), np.bincount(offsets[:, 1])
    assert len(rows) == 3 and len(columns) == 5
    assert abs(rows / 3000 - 1 / 3).max() < 0.05 and abs(columns / 3000 - 1 / 5).max() < 0.05
    image = torch.arange(30).view(1, 5, 6)
    assert torch.equal(centre_crop(image, (1, 2)), image[:, 1:4, 2:4])


def test_no_radius_is_the_whole_image() -> None:
    assert draw_offsets(9, (0, 0), torch.Generator()).abs().max() == 0
    image = torch.zeros(1, 5, 6)
    assert centre_crop(image, (0, 0)).shape == (1, 5, 6)


def test_an_offset_over_the_edge_is_refused() -> None:
    images = torch.zeros(1, 3, 10, 10, dtype=torch.uint8)
    for row, column in ((3, 0), (0, 3), (-1, 0)):
        with pytest.raises(ValueError, match="over the edge"):
            Cropper(8, 8, torch.float32)(images, torch.tensor([[row, column]]))
