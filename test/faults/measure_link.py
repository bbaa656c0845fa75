"""What crosses the link between two hosts, and what it costs: `python test/faults/measure_link.py lite --seconds 40`.

Run it as root. It prints a row of the table in docs/two_machines.md.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

from two_hosts import HostLaunch, TwoHosts


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table; none if it does not exist yet."""
    return list(csv.DictReader(path.open(newline=""))) if path.exists() else []


def main() -> None:
    """Measure one setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("setting", help="lite, baseline or highres, or the path of a setting file")
    parser.add_argument("--wiring", default="async", choices=["async", "sync"])
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to measure [s]")
    parser.add_argument("--warmup", type=int, default=100, help="steps before the first update")
    parser.add_argument("--delay", type=float, help="of each packet [s]; without it, a cable of 1 Gbit/s")
    parser.add_argument("--loss", type=float, default=0.0, help="fraction of packets that are lost")
    arguments = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", "63")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    hosts = TwoHosts(arguments.delay, arguments.loss)
    with tempfile.TemporaryDirectory() as folder:
        try:
            print(measure(hosts, Path(folder), arguments), flush=True)
        finally:
            hosts.close()


def measure(hosts: TwoHosts, folder: Path, arguments: argparse.Namespace) -> str:
    """Run both parts and describe what was seen after the first updates."""
    params = folder / "params.yaml"
    params.write_text(f"/**: {{ros__parameters: {{learner: {{warmup_steps: {arguments.warmup}}}}}}}\n")
    given = {"setting": arguments.setting, "wiring": arguments.wiring, "run": "measure", "device": "cpu"}
    given |= {"seed": "1", "params_file": str(params)}
    learner = hosts.launch("gpu", "learner", **given, run_dir=str(folder / "learner"))
    robot = hosts.launch("arm", "robot", **given, run_dir=str(folder / "robot"))
    learner_table, cycles = folder / "learner" / "learner.csv", folder / "robot" / "cycles.csv"

    def alive(launch: HostLaunch) -> None:
        assert launch.process.poll() is None, launch.text

    def updated() -> bool:
        alive(learner)
        found = rows(learner_table)
        return bool(found) and int(found[-1]["updates"]) > 3

    robot.until(updated, 120.0)
    before, (to_arm, from_arm), began = len(rows(cycles)), hosts.traffic("arm"), time.monotonic()
    updates = int(rows(learner_table)[-1]["updates"])
    time.sleep(arguments.seconds)
    alive(robot)
    seconds, now = time.monotonic() - began, hosts.traffic("arm")
    new = rows(cycles)[before:]
    status = rows(learner_table)[-1]
    ages = {
        name: 1e3 * np.array([float(row[name]) for row in new]) for name in ("lateness", "response_time", "policy_age")
    }
    values = {
        "setting": Path(arguments.setting).stem,
        "to the learner, MB/s": f"{1e-6 * (now[1] - from_arm) / seconds:.2f}",
        "to the arm, MB/s": f"{1e-6 * (now[0] - to_arm) / seconds:.2f}",
        "updates/s": f"{(int(status['updates']) - updates) / seconds:.1f}",
        "publishing": f"{float(status['publishing']):.4f}",
        "lateness p50/p99/max, ms": "/".join(f"{v:.2f}" for v in np.quantile(ages["lateness"], [0.5, 0.99, 1.0])),
        "response p50/p99, ms": "/".join(f"{v:.2f}" for v in np.quantile(ages["response_time"], [0.5, 0.99])),
        "policy age p50/p99, s": "/".join(f"{1e-3 * v:.2f}" for v in np.quantile(ages["policy_age"], [0.5, 0.99])),
        "cycles": str(len(new)),
    }
    return ", ".join(f"{name}: {value}" for name, value in values.items())


if __name__ == "__main__":
    main()
