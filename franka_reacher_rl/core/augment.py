"""Random crops (Laskin et al. 2020, "Reinforcement learning with augmented data").

Offsets are drawn evenly from 0 to twice the radius, and the acting crop is the centre, so that the policy acts in the
middle of what it was trained on.
"""

from __future__ import annotations

import torch
from torch import Tensor


def draw_offsets(batch: int, radius: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Rows and columns at which crops start, int64 (batch, 2), on the CPU."""
    rows = torch.randint(0, 2 * radius[0] + 1, (batch,), generator=generator)
    columns = torch.randint(0, 2 * radius[1] + 1, (batch,), generator=generator)
    return torch.stack([rows, columns], -1)


def crop(images: Tensor, offsets: Tensor, out: Tensor) -> Tensor:
    """Crops each image at its own offset and converts it, in one pass over the pixels.

    Args:
        images: uint8 (batch, channels, height, width), any strides.
        offsets: int64 (batch, 2), rows and columns, on the images' device.
        out: (batch, channels, rows, columns) of any type and memory format; filled with values 0 to 255.

    Returns:
        out.

    Raises:
        ValueError: An offset reaches over the edge.
    """
    if images.is_cuda:
        return _crop_by_index(images, offsets, out)
    height, width = out.shape[-2:]
    low, high = offsets.amin(0).tolist(), offsets.amax(0).tolist()
    if min(low) < 0 or high[0] + height > images.shape[-2] or high[1] + width > images.shape[-1]:
        raise ValueError(f"offsets {low} to {high} crop {height}x{width} out of {tuple(images.shape[-2:])}: too far")
    # Faster than an index: each copy is vectorised, converts and changes the memory format in one go.
    for target, image, (row, column) in zip(out.unbind(0), images.unbind(0), offsets.tolist()):
        target.copy_(image[:, row : row + height, column : column + width])
    return out


def _crop_by_index(images: Tensor, offsets: Tensor, out: Tensor) -> Tensor:
    """The same without leaving the device; offsets are trusted, since looking at them would wait for it."""
    height, width = out.shape[-2:]
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    rows = (offsets[:, :1] + torch.arange(height, device=images.device))[:, :, None]  # (batch, height, 1)
    columns = (offsets[:, 1:] + torch.arange(width, device=images.device))[:, None, :]  # (batch, 1, width)
    return out.copy_(images.permute(0, 2, 3, 1)[batch, rows, columns].permute(0, 3, 1, 2))


def centre_crop(images: Tensor, radius: tuple[int, int]) -> Tensor:
    """The acting crop, a view: (..., height - 2 * rows, width - 2 * columns)."""
    rows, columns = radius
    height, width = images.shape[-2:]
    return images[..., rows : height - rows, columns : width - columns]
