"""A function of tensors as a CUDA graph, which is launched as a whole instead of kernel by kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

_EAGER_CALLS = 3  # before the capture, so that the allocator, cuDNN and the optimizers are set up


class GraphedFunction:
    """Calls a function eagerly a few times, then captures it as a CUDA graph and replays the graph.

    The function must work on the device only, with tensors that stay at their addresses. Each call overwrites the
    outputs of the previous one.
    """

    def __init__(self, function: Callable[[Mapping[str, Tensor]], dict[str, Tensor]], device: torch.device) -> None:
        """Capture nothing yet.

        Args:
            function: Function of named tensors on the device.
            device: A CUDA device.
        """
        self._function, self._device = function, device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.reset()

    def reset(self) -> None:
        """Discard the graph; needed after a tensor that it uses was replaced."""
        self._inputs: dict[str, Tensor] = {}
        self._outputs: dict[str, Tensor] = {}
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Call the function.

        Args:
            inputs: Named tensors on the host or the device; other shapes than before cause a new capture.

        Returns:
            The function's outputs, on the device.
        """
        if {name: t.shape for name, t in inputs.items()} != {name: t.shape for name, t in self._inputs.items()}:
            self.reset()
            self._inputs = {n: torch.empty(t.shape, dtype=t.dtype, device=self._device) for n, t in inputs.items()}
        for name, value in inputs.items():
            # A copy from pageable memory has read it on return. One from page-locked memory has not, and the caller may
            # reuse that memory.
            self._inputs[name].copy_(value, non_blocking=value.is_cuda or not value.is_pinned())
        self._calls += 1
        if self._calls <= _EAGER_CALLS:
            self._outputs = self._eager()
        elif self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            torch.cuda.synchronize(self._device)
            with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
                self._outputs = self._function(self._inputs)
            self._graph.replay()  # the capture does not execute the function
        else:
            self._graph.replay()
        return self._outputs

    @torch.no_grad()
    def capture(self, example: Mapping[str, Tensor], changing: Callable[[], list[Tensor]]) -> None:
        """Capture the graph now, with inputs of the later ones' shapes, and undo what these calls change.

        Args:
            example: Named tensors.
            changing: Returns the tensors that the function changes. Those that only its first calls create become zero.
        """
        kept = [(tensor, tensor.clone()) for tensor in changing()]
        with torch.enable_grad():
            while self._graph is None:
                self(example)
        for tensor in changing():
            tensor.zero_()
        for tensor, value in kept:
            tensor.copy_(value)

    def _eager(self) -> dict[str, Tensor]:
        """Call the function on the stream of the later capture, as PyTorch requires."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            outputs = self._function(self._inputs)
        current.wait_stream(self._stream)
        return outputs
