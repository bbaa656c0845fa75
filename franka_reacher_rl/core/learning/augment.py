"""Random crops (Laskin et al. 2020, "Reinforcement learning with augmented data").

Training crops start at offsets drawn uniformly from 0 to twice the radius. The policy acts on the central crop, the
mean position of the training crops.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def draw_offsets(batch: int, radius: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Draw the rows and columns at which crops start, int64 (batch, 2), on the CPU."""
    rows = torch.randint(0, 2 * radius[0] + 1, (batch,), generator=generator)
    columns = torch.randint(0, 2 * radius[1] + 1, (batch,), generator=generator)
    return torch.stack([rows, columns], -1)


def centre_crop(images: Tensor, radius: tuple[int, int]) -> Tensor:
    """Return the crop for acting, a view: (..., height - 2 * rows, width - 2 * columns)."""
    rows, columns = radius
    height, width = images.shape[-2:]
    return images[..., rows : height - rows, columns : width - columns]


class Cropper:
    """Crops each image of a batch at its own offset and converts it to the convolutions' memory layout and type.

    Each call overwrites the crops that the previous one returned.
    """

    def __init__(self, height: int, width: int, dtype: torch.dtype) -> None:
        """Describe the crops; the first batch allocates memory.

        Args:
            height: Height of a crop in pixels.
            width: Width of a crop in pixels.
            dtype: Type of the crops' pixels.
        """
        self.height, self.width, self.dtype = height, width, dtype
        self._bytes, self._pixels = torch.empty(0), torch.empty(0)

    @torch.no_grad()
    def __call__(self, images: Tensor, offsets: Tensor) -> Tensor:
        """Crop a batch.

        Args:
            images: uint8 (batch, channels, height, width), any strides.
            offsets: int64 (batch, 2), rows and columns, on the images' device.

        Returns:
            Crops (batch, channels, crop height, crop width), channels last in memory, 0 to 255.

        Raises:
            ValueError: A crop reaches over the edge. On CUDA this is not checked, since it would require a wait.
        """
        shape = (*images.shape[:2], self.height, self.width)
        if self._pixels.shape != shape or self._pixels.dtype != self.dtype:
            self._bytes = torch.zeros(shape, dtype=torch.uint8, device=images.device)
            self._bytes = self._bytes.to(memory_format=torch.channels_last)
            self._pixels = self._bytes.to(self.dtype)
        if images.is_cuda:
            return self._pixels.copy_(self._by_index(images, offsets))
        self._one_by_one(images, offsets)
        return self._pixels.copy_(self._bytes)

    def _one_by_one(self, images: Tensor, offsets: Tensor) -> None:
        """Crop the bytes: OpenCV interleaves the channels of an image, NumPy copies the rows of its crop."""
        import cv2  # the actor needs this module's offsets only, and the learner starts faster without it

        low, high = offsets.amin(0).tolist(), offsets.amax(0).tolist()
        if min(low) < 0 or high[0] + self.height > images.shape[-2] or high[1] + self.width > images.shape[-1]:
            size, whole = (self.height, self.width), tuple(images.shape[-2:])
            raise ValueError(f"crops of {size} at offsets {low} to {high} reach over the edge of {whole} images")
        channels, height, width = images.shape[1:]
        source, target = images.numpy(), self._bytes.permute(0, 2, 3, 1).numpy()
        interleaved = np.empty((height * width, channels), np.uint8)
        pixels = interleaved.reshape(height, width, channels)
        for i, (row, column) in enumerate(offsets.tolist()):
            cv2.transpose(source[i].reshape(channels, -1), dst=interleaved)
            target[i] = pixels[row : row + self.height, column : column + self.width]

    def _by_index(self, images: Tensor, offsets: Tensor) -> Tensor:
        """Crop with a single indexing kernel."""
        device = images.device
        batch = torch.arange(len(images), device=device)[:, None, None]
        rows = (offsets[:, :1] + torch.arange(self.height, device=device))[:, :, None]  # (batch, height, 1)
        columns = (offsets[:, 1:] + torch.arange(self.width, device=device))[:, None, :]  # (batch, 1, width)
        return images.permute(0, 2, 3, 1)[batch, rows, columns].permute(0, 3, 1, 2)
