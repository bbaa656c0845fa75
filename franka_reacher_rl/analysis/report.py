"""The report of an experiment: `report.md`, beside its figures and `results.csv`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.analysis.conclusions import END, WHOLE, comparisons, conclusions
from franka_reacher_rl.analysis.estimates import RESAMPLES, estimate
from franka_reacher_rl.analysis.plots import draw_all, known_mean
from franka_reacher_rl.analysis.shared_runs import shared_runs
from franka_reacher_rl.analysis.significance import LEVEL, MONTE_CARLO_DRAWS, Comparison
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.experiments.results import RUNS, Results, end_length, numbers, seeds_in_words, write_table

FIGURES = "figures"
_UNKNOWN = "–"
_LEARNER_TIME = (  # columns and their titles
    ("learner_update", "update"),
    ("learner_sampling", "sampling"),
    ("learner_batch_transfer", "moving batches"),
    ("learner_waiting_for_budget", "waiting for budget"),
    ("learner_waiting_for_data", "waiting for data"),
    ("learner_waiting_for_request", "waiting for a request"),
    ("learner_publishing", "publishing the policy"),
    ("learner_checkpointing", "writing checkpoints"),
)


def write_report(results: Results) -> list[Path]:
    """Draw the figures and write `report.md` into the experiment's folder.

    `results.csv` is written as well if the folder has the runs; otherwise it is what the results were read from.

    Returns:
        The files written, without the figures.
    """
    figures = draw_all(results, results.folder / FIGURES)
    written = [write_table(results)] if (results.folder / RUNS).is_dir() else []
    path = results.folder / "report.md"
    write_atomic(path, report_text(results, {title: f"{FIGURES}/{file.name}" for title, file in figures.items()}))
    return [*written, path]


def report_text(results: Results, figures: Mapping[str, str]) -> str:
    """Return the report in Markdown.

    Args:
        results: Of the experiment.
        figures: The link of each figure by its title.
    """
    compared = comparisons(results)
    sections = [
        f"# Experiment: {results.manifest.get('preset') or 'settings'}",
        *_introduction(results),
        "## Conclusions",
        *_conclusions(results, compared),
        *_shared_evidence(results),
        *_returns(results),
        *_tests(compared),
        *_learner_time(results),
        "## Figures",
        "Bands of learning curves are 95 % intervals of the mean over runs. Elsewhere, each small marker is a "
        "run, and the large one the interquartile mean with its 95 % interval.",
        *(f"### {title}\n\n![{title}]({link})" for title, link in figures.items()),
        *_configuration(results),
    ]
    return "\n\n".join(sections) + "\n"


def _introduction(results: Results) -> list[str]:
    m = results.manifest
    runs = sum(len(results.seeds(name)) for name in results.variants)
    planned = len(m["variants"]) * len(m["seeds"])
    missing = f" {planned - runs} of {planned} planned runs are not finished." if runs < planned else ""
    trained = sum(sum(results.last(name, "training_seconds")) for name in results.variants)
    hours = f"{trained / 3600.0:.1f} h of training"
    if "wall_seconds" in results.episodes and results.episodes.wall_seconds.notna().all():
        hours += f", computed in {results.episodes.wall_seconds.sum() / 3600.0:.1f} h of processor time"
    how = "In real time, by the ROS graph" if results.realtime else "Simulated: arm, camera and clock (virtual time)"
    machine = m["provenance"]["machine"]
    question = [f"**{m['question']}**"] if m.get("question") else []
    return [
        *question,
        f"{m.get('description') or 'Settings as given'}. {how}, on {machine['machine']} with {machine['cores']} cores. "
        f"{runs} runs of {m['episodes']} episodes, seeds {seeds_in_words(sorted(m['seeds']))}: {hours}.{missing} Sizes "
        "and latencies are listed under Configuration; the results hold for these.",
        "A return is that of an episode, with each step weighted by its true length instead of the nominal cycle time. "
        "Late cycles therefore do not lower it.",
        "Commands: " + ", then ".join(f"`{command}`" for command in m["commands"]),
    ]


def _conclusions(results: Results, compared: list[Comparison]) -> list[str]:
    if not compared:
        return ["No variants are compared."]
    return [
        "Where no significant difference was found, there may still be one: these runs leave it open.",
        _points(conclusions(results, compared)),
    ]


def _shared_evidence(results: Results) -> list[str]:
    shared = shared_runs(results)
    return ["## Runs shared with other reports", _points(shared)] if shared else []


def _returns(results: Results) -> list[str]:
    columns = [
        ("variant", lambda name: name),
        ("runs", lambda name: str(len(results.seeds(name)))),
        (f"{END}: IQM [95 %]", lambda name: str(estimate(results.final(name)))),
        (f"{WHOLE}: IQM [95 %]", lambda name: str(estimate(results.whole(name)))),
        ("paper, at the end", lambda name: _published(results, name)),
        ("updates", lambda name: _mean(results.last(name, "updates"), ",.0f")),
        ("steps", lambda name: _mean(results.last(name, "total_steps"), ",.0f")),
        ("observation age (ms)", lambda name: _mean(results.medians(name, "observation_age_ms_median"), ".1f")),
        ("late cycles (%)", lambda name: _mean([100 * results.share(name, "late_cycles", "steps")], ".0f")),
        ("held by timeout (%)", lambda name: _mean([100 * results.share(name, "held_seconds", "duration")], ".0f")),
    ]
    if not results.beside_paper:
        columns = [column for column in columns if not column[0].startswith("paper")]
    end = end_length(results.manifest["episodes"])
    return [
        "## Returns",
        f"The end of a run is its last {end} episodes; the paper's is the last tenth, 72 episodes. The return over the "
        "whole run is the mean over all its episodes; it is higher the sooner the run learns. IQM is the interquartile "
        f"mean over runs, with a percentile bootstrap interval ({RESAMPLES:,} resamples of runs).",
        _table([title for title, _ in columns], [[cell(name) for _, cell in columns] for name in results.variants]),
    ]


def _learner_time(results: Results) -> list[str]:
    """A table of what the learner did; parts that no variant knows are left out."""
    seconds = np.array([_learner_seconds(results, name) for name in results.variants])  # (variants, parts)
    known = [k for k in range(len(_LEARNER_TIME)) if not np.isnan(seconds[:, k]).all()]
    if not known:
        return []
    rows = []
    for name, row in zip(results.variants, seconds, strict=True):
        whole = np.nansum(row)
        shares = [_UNKNOWN if np.isnan(row[k]) or not whole else f"{100.0 * row[k] / whole:.0f}" for k in known]
        age = _mean([1e3 * age for age in results.medians(name, "policy_age_s_median")], ".0f")
        rows.append([name, *shares, age])
    return [
        "## The learner's time",
        "Shares of the learner's time after its first update (%), and the age of the policy when a command leaves.",
        _table(["variant", *(_LEARNER_TIME[k][1] for k in known), "policy age (ms)"], rows),
    ]


def _learner_seconds(results: Results, variant: str) -> npt.NDArray[np.float64]:
    """Return the seconds of each part of `_LEARNER_TIME` after the first update, over all runs, (parts,)."""
    rows = results.episodes[results.episodes.variant == variant]
    learning = rows[numbers(rows, "updates") > 0]
    columns = [numbers(learning, column) for column, _ in _LEARNER_TIME]
    return np.array([np.nan if np.isnan(column).all() else np.nansum(column) for column in columns])


def _published(results: Results, variant: str) -> str:
    row = results.beside_paper.get(variant)
    return f"{row.final:.0f} ± {row.final_ci:.0f}" if row else _UNKNOWN


def _tests(compared: list[Comparison]) -> list[str]:
    if not compared:
        return []
    exact = all(c.test.exact for c in compared)
    beyond = f"exact up to 10 against 10 runs, beyond that Monte Carlo with {MONTE_CARLO_DRAWS:,} draws"
    how = "exact" if exact else beyond
    floors = ", ".join(f"{floor:.2g}" for floor in sorted({c.test.floor for c in compared}))
    rows = [
        [
            c.measure,
            f"{c.a} − {c.b}",
            str(c.difference),
            f"{100 * c.superiority:.0f} %",
            f"{c.test.p:.4f}",
            f"{c.p_holm:.4f}",
            "yes" if c.significant else "no",
        ]
        for c in compared
    ]
    header = ["return", "comparison", "difference of IQMs [95 %]", "pairs of runs in favour", "p", "p (Holm)"]
    return [
        "## Tests",
        f"p is that of a two-sided permutation test of the means ({how}); with these numbers of runs it cannot be "
        f"smaller than {floors}. Holm's correction is over all {len(compared)} tests of this report. A difference is "
        f"called significant if the corrected p is below {LEVEL} and the bootstrap interval excludes 0.",
        _table([*header, "significant"], rows),
    ]


def _configuration(results: Results) -> list[str]:
    m = results.manifest
    rows = []
    for name in results.variants:
        v = m["variants"][name]
        image, learner, latency = v["setting"]["image"], v["setting"]["learner"], v["latency"]
        rows.append(
            [
                name,
                v["wiring"],
                v["robot"],
                f"{image['width']}×{image['height']}",
                f"{v['setting']['episode']['cycle_ms']:g}",
                str(learner["batch_size"]),
                str(learner["warmup_steps"]),
                _ms(latency["interaction"]),
                " + ".join(_ms(latency[part]) for part in ("sampling", "batch_transfer", "update")),
                "robot file" if v["command_timeout"] is None else f"{1e3 * v['command_timeout']:g}",
            ]
        )
    header = ["variant", "wiring", "robot", "frame", "cycle (ms)", "batch", "warm-up", "interaction (ms)"]
    header += ["sampling + transfer + update (ms)", "command timeout (ms)"]
    network = m["variants"][results.variants[0]]["setting"]["network"]
    return [
        "## Configuration",
        _table(header, rows),
        f"Convolutions {network['channels']} with strides {network['strides']}, hidden layers {network['hidden']}. "
        "`manifest.yaml` has the whole configuration.",
        _provenance(results),
    ]


def _provenance(results: Results) -> str:
    source = results.manifest["provenance"]
    models = sorted({v["model_digest"] for v in results.manifest["variants"].values() if v.get("model_digest")})
    mixed = f" The runs were made by {len(results.codes)} versions of the code." if len(results.codes) > 1 else ""
    parts = [
        f"Commit {source['commit']}",
        f"code digest {source['code']}",
        *(f"model digest {model}" for model in models),
        *(f"{name} {version}" for name, version in source["versions"].items()),
        source["machine"]["machine"],
    ]
    return f"{', '.join(parts)}.{mixed}"


def _ms(duration: Mapping[str, object]) -> str:
    samples = duration["samples_ms"]
    if isinstance(samples, list) and samples:
        return f"{np.median(samples):.1f} (measured)"
    spread = f" ± {duration['sd_ms']:g}" if duration["sd_ms"] else ""
    return f"{duration['mean_ms']:g}{spread}"


def _mean(values: Sequence[float], spec: str) -> str:
    """Format the mean of the known values, or a dash if none is known."""
    mean = known_mean(values)
    return _UNKNOWN if np.isnan(mean) else format(mean, spec)


def _points(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
