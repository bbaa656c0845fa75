"""Sentences that state what an experiment's results show, and what they leave open."""

from __future__ import annotations

import itertools

from franka_reacher_rl.analysis.estimates import estimate
from franka_reacher_rl.analysis.significance import LEVEL, Comparison, compare
from franka_reacher_rl.experiments.results import Results

END, WHOLE = "at the end", "over the whole run"  # the measures
_MOST_PAIRS = 4  # up to so many variants, all pairs are compared


def comparisons(results: Results) -> list[Comparison]:
    """Compare an experiment's variants at the end of the runs and over the whole run.

    All pairs are compared if there are at most four variants, otherwise the pairs that share their place in a sweep.

    Returns:
        All comparisons by the first measure, then those by the second. They are one family for Holm's correction.
    """
    names = results.variants
    measures = {END: {n: results.final(n) for n in names}, WHOLE: {n: results.whole(n) for n in names}}
    return compare(measures, _pairs(results))


def conclusions(results: Results, compared: list[Comparison]) -> list[str]:
    """Return one sentence or two for each point, in Markdown."""
    return [
        *(_in_words(c) for c in compared if c.measure == END),
        *(_in_words(c) for c in compared if c.measure == WHOLE),
        *_about_power(results, compared),
        *_about_sweep(results),
        *_beside_paper(results, [c for c in compared if c.measure == END]),
    ]


def _pairs(results: Results) -> list[tuple[str, str]]:
    pairs = list(itertools.combinations(results.variants, 2))
    if len(results.variants) <= _MOST_PAIRS:
        return pairs
    x = {name: row.get("x") for name, row in results.manifest["variants"].items()}
    return [(a, b) for a, b in pairs if x[a] is not None and x[a] == x[b]]


def _in_words(c: Comparison) -> str:
    size = (
        f"difference {c.difference.value:+.0f}, 95 % interval {c.difference.low:+.0f} to {c.difference.high:+.0f}, "
        f"p = {c.test.p:.4f}, {c.p_holm:.4f} after Holm's correction"
    )
    measure = c.measure.capitalize()
    if c.significant:
        return f"{measure}, **{c.a}** has a significantly higher return than **{c.b}** ({size})."
    if c.superiority == 1.0 and c.test.floor < 1.0:
        return (
            f"{measure}, every run of **{c.a}** has a higher return than every run of **{c.b}** ({size}). With so "
            "few runs the test cannot show this to be significant."
        )
    return (
        f"{measure}, no significant difference between **{c.a}** and **{c.b}** was found ({size}; **{c.a}** is higher "
        f"in {100 * c.superiority:.0f} % of the pairs of runs)."
    )


def _about_power(results: Results, compared: list[Comparison]) -> list[str]:
    if not compared:
        return []
    if min(len(results.seeds(name)) for name in results.variants) == 1:
        return ["A variant with a single run cannot be tested: run more seeds."]
    floor = max(c.test.floor for c in compared)
    if floor * len(compared) < LEVEL:
        return []
    return [
        f"With so few runs the smallest p of a single test is {floor:.4f}, and {min(1.0, floor * len(compared)):.3f} "
        f"after Holm's correction over {len(compared)} tests. A difference that is not significant here may become "
        "significant with more seeds."
    ]


def _about_sweep(results: Results) -> list[str]:
    sentences = []
    for group, names in results.sweep_groups.items():
        if len(names) < 2:
            continue
        ends = {name: estimate(results.final(name)) for name in names}
        best = max(names, key=lambda name: ends[name].value)
        rows, label = results.manifest["variants"], results.manifest.get("x_label") or "x"
        rivals = [f"{rows[n]['x']:g}" for n in names if n != best and ends[n].high > ends[best].low]
        overlap = f"overlapped by the intervals at {', '.join(rivals)}" if rivals else "overlapped by no other interval"
        sentences.append(
            f"Group {group}: the return at the end is highest at {label} {rows[best]['x']:g}: {ends[best]}, "
            f"{overlap}. Differences within a group were not tested."
        )
    return sentences


def _beside_paper(results: Results, at_end: list[Comparison]) -> list[str]:
    """Compare the paper's ordering of its settings with the one found here."""
    published = results.beside_paper
    sentences = []
    for c in at_end:
        if c.a not in published or c.b not in published:
            continue
        a, b = published[c.a], published[c.b]
        apart = abs(a.final - b.final) > (a.final_ci**2 + b.final_ci**2) ** 0.5
        if not apart:
            verdict = "The paper's intervals do not separate the two."
        elif not c.significant:
            verdict = "The paper's ordering is neither confirmed nor refuted."
        else:
            verdict = "This agrees with the paper." if a.final > b.final else "This contradicts the paper."
        here = "significantly" if c.significant else "not significantly"
        sentences.append(
            f"Beside the paper ({c.a} {a.final:.0f}, {c.b} {b.final:.0f} on a real arm): here {c.a} ends higher, "
            f"{here}. {verdict}"
        )
    return sentences
