"""A function of tensors as one CUDA graph: launched at once instead of kernel by kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_PLAIN_CALLS = 3  # before capture: the allocator, cuDNN and the optimizers settle


class GraphedFunction:
    """Calls a function plainly a few times, then captures it and replays the capture.

    The function must do all its work on the device with tensors that stay where they are. Its outputs are written anew
    by every call.
    """

    def __init__(self, function: Callable[[Sequence[Tensor]], dict[str, Tensor]], device: torch.device) -> None:
        """Captures nothing yet.

        Args:
            function: Takes tensors on the device.
            device: A CUDA device.
        """
        self._function, self._device = function, device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.reset()

    def reset(self) -> None:
        """Forgets the capture; needed when a tensor it works on was replaced."""
        self._inputs: list[Tensor] = []
        self._outputs: dict[str, Tensor] = {}
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0

    def __call__(self, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        """Runs it on the inputs, which may be on the host."""
        if [t.shape for t in inputs] != [t.shape for t in self._inputs]:
            self.reset()
            self._inputs = [torch.empty(t.shape, dtype=t.dtype, device=self._device) for t in inputs]
        for target, value in zip(self._inputs, inputs, strict=True):
            # Pageable memory has been read when the call returns; page-locked memory has not, and may be used again.
            target.copy_(value, non_blocking=value.is_cuda or not value.is_pinned())
        self._calls += 1
        if self._calls <= _PLAIN_CALLS:
            self._outputs = self._plain()
        elif self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            torch.cuda.synchronize(self._device)
            with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
                self._outputs = self._function(self._inputs)
            self._graph.replay()  # capturing does not run it
        else:
            self._graph.replay()
        return self._outputs

    def _plain(self) -> dict[str, Tensor]:
        """On the stream of the later capture, as PyTorch asks."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            outputs = self._function(self._inputs)
        current.wait_stream(self._stream)
        return outputs
