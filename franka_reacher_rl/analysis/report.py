"""The report of an experiment: `report.html`, self-contained in one file, and as `report.md` beside its pictures."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from franka_reacher_rl.analysis.conclusions import comparisons, conclusions
from franka_reacher_rl.analysis.plots import draw_all
from franka_reacher_rl.analysis.significance import Difference, estimate
from franka_reacher_rl.experiments.results import Results, end_length, write_table

FIGURES = "figures"


@dataclass(frozen=True)
class Heading:
    """A section's title."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; **bold** and `code` as in Markdown."""

    text: str


@dataclass(frozen=True)
class Points:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Rows of words under a header."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A PNG with its title."""

    title: str
    path: Path


Block = Heading | Text | Points | Table | Picture


def write_report(results: Results) -> list[Path]:
    """Draws the pictures and writes table, `report.md` and `report.html` into the experiment's folder."""
    pictures = draw_all(results, results.folder / FIGURES)
    differences, over_all = comparisons(results, results.final), comparisons(results, results.whole)
    blocks = [
        *_what(results),
        Heading("What differs"),
        Points(conclusions(results, differences, over_all) or ["There is only one variant: nothing to compare."]),
        *_numbers(results),
        *_tests(differences, over_all),
        Heading("Pictures"),
        *(Picture(title, path) for title, path in pictures.items()),
        *_configuration(results),
    ]
    title = f"Experiment: {results.manifest.get('preset') or 'settings'}"
    markdown, page = results.folder / "report.md", results.folder / "report.html"
    markdown.write_text(f"# {title}\n\n" + "\n\n".join(_markdown(b, results.folder) for b in blocks) + "\n")
    page.write_text(_page(title, "\n".join(_html(b) for b in blocks)))
    return [write_table(results), markdown, page]


def _what(results: Results) -> list[Block]:
    m = results.manifest
    runs = sum(len(results.runs(name)) for name in results.variants)
    planned = len(m["variants"]) * len(m["seeds"])
    missing = f" Of {planned} runs planned, {planned - runs} are not finished." if runs < planned else ""
    hours = results.table.duration.sum() / 3600.0
    wall = results.table.wall_seconds.sum() / 3600.0
    question = [Text(f"**{m['question']}**")] if m.get("question") else []
    return [
        *question,
        Text(
            f"{m.get('description') or 'Settings as given'}. {runs} runs of {m['episodes']} episodes: {hours:.1f} h of "
            f"training, computed in {wall:.1f} h of processor time.{missing} Returns are per episode, with each step's "
            "true length in place of the cycle time, so that late cycles do not count for less."
        ),
        Text("Again by: " + ", then ".join(f"`{command}`" for command in m["commands"])),
    ]


def _numbers(results: Results) -> list[Block]:
    rows = []
    for name in results.variants:
        at_end = results.final(name)
        beside = results.beside_paper.get(name)
        rows.append(
            [
                name,
                str(len(at_end)),
                str(estimate(at_end)),
                str(estimate(results.whole(name))),
                f"{beside.final:.0f} ± {beside.final_ci:.0f}" if beside else "",
                f"{np.mean(results.last(name, 'updates')):,.0f}",
                f"{np.mean(results.last(name, 'total_steps')):,.0f}",
                f"{np.mean(results.medians(name, 'observation_age_ms_median')):.1f}",
                f"{100 * _share(results, name, 'late_cycles', 'steps'):.0f}",
                f"{100 * _share(results, name, 'held_seconds', 'duration'):.0f}",
            ]
        )
    header = ["variant", "runs", "end: IQM [95 %]", "whole run: IQM [95 %]", "paper", "updates", "steps"]
    header += ["observation age (ms)", "late cycles (%)", "held by timeout (%)"]
    if not any(row[4] for row in rows):
        header.pop(4)
        for row in rows:
            row.pop(4)
    end = end_length(results.manifest["episodes"])
    return [
        Heading("Numbers"),
        Text(
            f"A run's end is its last {end} episodes; the paper's is the last tenth, 72 episodes. "
            "The whole run is the mean over all its episodes: the sooner a run learns, the higher. "
            "IQM is the interquartile mean over runs."
        ),
        Table(header, rows),
    ]


def _tests(differences: list[Difference], over_all: list[Difference]) -> list[Block]:
    if not differences:
        return []
    return [
        Heading("Tests"),
        Text("Intervals: percentile bootstrap over runs. p: exact two-sided permutation test of the means."),
        _test_table("at the end: difference of IQMs", differences),
        _test_table("over the whole run: difference of IQMs", over_all),
    ]


def _test_table(title: str, differences: list[Difference]) -> Table:
    rows = [
        [f"{d.a} − {d.b}", str(d.difference), f"{100 * d.superior:.0f} %", f"{d.p:.4f}", f"{d.p_holm:.4f}"]
        for d in differences
    ]
    return Table([title, "[95 %]", "pairs of runs in favour", "p", "p (Holm)"], rows)


def _configuration(results: Results) -> list[Block]:
    m = results.manifest
    rows = []
    for name in results.variants:
        v = m["variants"][name]
        image, learner, latency = v["setting"]["image"], v["setting"]["learner"], v["latency"]
        busy = [latency[k] for k in ("sampling", "batch_transfer", "update")]
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
                " + ".join(_ms(d) for d in busy),
                "robot file" if v["command_timeout"] is None else f"{1e3 * v['command_timeout']:g}",
            ]
        )
    header = ["variant", "wiring", "robot", "frame", "cycle (ms)", "batch", "warm-up", "interaction (ms)"]
    header += ["sampling + transfer + update (ms)", "command timeout (ms)"]
    network = m["variants"][results.variants[0]]["setting"]["network"]
    source = m["provenance"]
    mixed = f" Runs were made by {len(results.codes)} versions of the code." if len(results.codes) > 1 else ""
    versions = ", ".join(f"{k} {v}" for k, v in source["versions"].items())
    return [
        Heading("Configuration"),
        Table(header, rows),
        Text(
            f"Convolutions {network['channels']} with strides {network['strides']}, hidden layers {network['hidden']}; "
            f"all of it is in `manifest.yaml`. Code {source['code']} ({source['commit']}), {versions}, "
            f"{source['machine']['machine']}.{mixed}"
        ),
    ]


def _share(results: Results, variant: str, part: str, whole: str) -> float:
    rows = results.table[results.table.variant == variant]
    return float(rows[part].sum() / max(1e-9, rows[whole].sum()))


def _ms(duration: dict[str, object]) -> str:
    samples = duration["samples_ms"]
    if isinstance(samples, list) and samples:
        return f"{np.median(samples):.1f} (measured)"
    spread = f" ± {duration['sd_ms']:g}" if duration["sd_ms"] else ""
    return f"{duration['mean_ms']:g}{spread}"


def _markdown(block: Block, folder: Path) -> str:
    if isinstance(block, Heading):
        return f"## {block.text}"
    if isinstance(block, Points):
        return "\n".join(f"- {item}" for item in block.items)
    if isinstance(block, Table):
        rows = [block.header, ["---"] * len(block.header), *block.rows]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)
    if isinstance(block, Picture):
        return f"### {block.title}\n\n![{block.title}]({block.path.relative_to(folder)})"
    return block.text


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h2>{_inline(block.text)}</h2>"
    if isinstance(block, Points):
        return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in block.items) + "</ul>"
    if isinstance(block, Table):
        head = "".join(f"<th>{_inline(cell)}</th>" for cell in block.header)
        body = "".join("<tr>" + "".join(f"<td>{_inline(c)}</td>" for c in row) + "</tr>" for row in block.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    if isinstance(block, Picture):
        data = base64.b64encode(block.path.read_bytes()).decode()
        return (
            f'<h3>{_inline(block.title)}</h3><img alt="{html.escape(block.title)}" src="data:image/png;base64,{data}">'
        )
    return f"<p>{_inline(block.text)}</p>"


def _inline(text: str) -> str:
    escaped = html.escape(text)
    escaped = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escaped)
    return re.sub(r"`(.+?)`", r"<code>\1</code>", escaped)


def _page(title: str, body: str) -> str:
    style = (
        "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
        "table{border-collapse:collapse;font-size:13px}td,th{border-bottom:1px solid #ccc;padding:.25rem .6rem;"
        "text-align:left}img{max-width:100%}code{background:#f2f2f2;padding:0 .2em}"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}</style></head><body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )
