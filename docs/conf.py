"""The documentation: `./reacher docs` builds it into .reacher/docs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from parameter_reference import write_reference  # noqa: E402

project = "franka_reacher_rl"
release = ElementTree.parse(HERE.parent / "package.xml").findtext("version", "")
author = "the developers of franka_reacher_rl"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
# The reports are linked from the page of the results, which is their table of contents.
exclude_patterns = ["_build"]
linkcheck_anchors = False  # GitHub renders them by script
linkcheck_timeout = 20
html_theme = "furo"
html_title = "franka reacher RL"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
# The pages are built without ROS too.
autodoc_mock_imports = [name for name in ("rclpy", "cv_bridge", "franky") if importlib.util.find_spec(name) is None]

write_reference(HERE / "generated" / "parameters.md")
