"""Adam with PyTorch's fused step, without the class `torch.optim.Adam`.

Creating an optimizer of `torch.optim` loads PyTorch's compiler, nearly 900 modules, which takes more than a second. The
function that computes the step does not need it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

_BETA2, _EPSILON = 0.999, 1e-8


class Adam:
    """Changes parameters in place by their gradients.

    Attributes:
        parameters: What is optimized.
        rate: Learning rate.
        state: The tensors `step`, `exp_avg` and `exp_avg_sq` of each parameter, which its first step creates.
    """

    def __init__(self, parameters: Sequence[Tensor], rate: float, beta1: float, *, capturable: bool) -> None:
        """Create an optimizer without moments.

        Args:
            parameters: What is optimized.
            rate: Learning rate.
            beta1: Decay rate of the first moment.
            capturable: Whether a CUDA graph may record the step.
        """
        self.parameters, self.rate = list(parameters), rate
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        self._beta1, self._capturable = beta1, capturable

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters that have a gradient."""
        parameters = [parameter for parameter in self.parameters if parameter.grad is not None]
        for parameter in parameters:
            if parameter not in self.state:
                self.state[parameter] = {
                    "step": torch.zeros((), device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in parameters]
        adam(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            capturable=self._capturable,
            amsgrad=False,
            beta1=self._beta1,
            beta2=_BETA2,
            lr=self.rate,
            weight_decay=0.0,
            eps=_EPSILON,
            maximize=False,
        )
