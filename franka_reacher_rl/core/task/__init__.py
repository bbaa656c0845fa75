"""The visual-reacher task: reward, frame stacks, resets, the action cycle and the episode summary."""
