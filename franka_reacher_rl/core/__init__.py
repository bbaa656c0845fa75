"""Pure Python with NumPy and PyTorch: the task, the arm and the algorithm. Never imports ROS.

In the order of the data:

- what flows, and what is set: `types`, `config`, `fields`, `paths`
- observe: `episode`, `frames`, `reward`, `record`
- act: `policy`, `policy_store`
- the arm: `robot`, `kinematics`, `commands`, `profile`, `safety`, `moves`, `reset`, `bridge`
- store: `rows`, `replay`, `segments`
- a batch: `prefetch`, `buffers`, `device_batch`, `device_replay`, `augment`
- update: `budget`, `networks`, `losses`, `sac`, `cuda_graph`
- keep: `serialise`, `checkpoint`
- the machine: `machine`, `timing`, `statistics`, `versions`
"""
