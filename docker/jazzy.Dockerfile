# Never built so far: the machines on which the package was developed run no containers. It follows README.md.
#
#     docker build -f docker/jazzy.Dockerfile -t franka_reacher_rl .
#     docker run --rm --shm-size 1g franka_reacher_rl ros2 launch franka_reacher_rl async.launch.py episodes:=5
#
# `--build-arg TEST=true` runs `colcon test` during the build.
FROM ros:jazzy-ros-base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive

# The simulated camera renders with Mesa's software OpenGL.
RUN apt-get update && apt-get install --yes --no-install-recommends \
        libegl1 libgl1 libgl1-mesa-dri python3-venv \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /ws
COPY package.xml requirements.txt src/franka_reacher_rl/
RUN . /opt/ros/jazzy/setup.bash && apt-get update && rosdep update --rosdistro jazzy \
    && rosdep install --from-paths src --ignore-src -y --skip-keys "rviz2 rqt_gui rqt_common_plugins" \
    && rm -rf /var/lib/apt/lists/*

RUN python3 -m venv --system-site-packages venv && touch venv/COLCON_IGNORE
# `--build-arg PIP_EXTRA_INDEX_URL=...` adds an index, for example PyTorch's own with builds without CUDA.
ARG PIP_EXTRA_INDEX_URL
RUN . venv/bin/activate \
    && pip install --no-cache-dir -r src/franka_reacher_rl/requirements.txt 'numpy<2'

COPY . src/franka_reacher_rl/
RUN . /opt/ros/jazzy/setup.bash && . venv/bin/activate && colcon build --symlink-install

ARG TEST=false
RUN if [ "$TEST" = true ]; then \
        . install/setup.bash && . venv/bin/activate \
        && colcon test --packages-select franka_reacher_rl && colcon test-result --verbose; \
    fi

RUN printf '#!/bin/bash\n. /ws/install/setup.bash\nexec "$@"\n' > /entrypoint.sh && chmod +x /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
CMD ["ros2", "launch", "franka_reacher_rl", "async.launch.py", "episodes:=5"]
