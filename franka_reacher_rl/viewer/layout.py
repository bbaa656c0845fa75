"""What is where on the page."""

from __future__ import annotations

import rerun.blueprint as rrb

# Entities: what is logged where.
IMAGE, MASK, WORLD, EVENTS = "camera/image", "camera/mask", "world", "events"
EPISODES, TIMES, LEARNING, LOSSES, REWARD = "episodes", "times", "learning", "losses", "reward"


def layout(wiring: str) -> rrb.Blueprint:
    """Return the layout of a graph.

    Args:
        wiring: `sync` or `async`, where the age of the policy is of interest; empty: a policy runs without a graph.
    """
    curves = [rrb.TimeSeriesView(origin=EPISODES, name="return of each episode")]
    if wiring:
        times = [f"{TIMES}/observation_age", f"{TIMES}/response_time", f"{TIMES}/lateness"]
        curves += [
            rrb.TimeSeriesView(
                contents=[*times, *([f"{TIMES}/policy_age"] if wiring == "async" else [])], name="times, ms"
            ),
            rrb.TimeSeriesView(origin=LEARNING, name="updates per second"),
            rrb.TimeSeriesView(origin=LOSSES, name="losses"),
        ]
    reward = rrb.TimeSeriesView(origin=REWARD, name="reward of each frame")
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Vertical(
                rrb.Spatial2DView(origin=IMAGE, name="wrist camera"),
                rrb.Spatial2DView(origin=MASK, name="mask of the target"),
                *([reward] if wiring else []),
            ),
            rrb.Vertical(
                rrb.Spatial3DView(origin=WORLD, name="arm"),
                rrb.TextLogView(origin=EVENTS, name="phases, faults and the safety filter"),
                row_shares=[3, 1],
            ),
            rrb.Vertical(*([] if wiring else [reward]), *curves),
            column_shares=[1, 2, 1],
        ),
        rrb.TimePanel(state="collapsed"),
        rrb.SelectionPanel(state="hidden"),
        rrb.BlueprintPanel(state="hidden"),
    )
