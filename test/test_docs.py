"""What the documentation names exists: commands, options, launch arguments, parameters, files and headings."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest

from franka_reacher_rl.cli import make_parser
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.task.summary import COLUMNS
from franka_reacher_rl.launching.arguments import ARGUMENTS, CHOICES, PART_ARGUMENTS

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}
SCRIPT_COMMANDS = {"launch", "ros2", "shell", "test", "lint", "docs", "setup", "build", "clean"}
LAUNCH_ARGUMENTS = {argument.name for argument in (*ARGUMENTS, *PART_ARGUMENTS)}


def commands(text: str) -> list[list[str]]:
    """The command lines of a page that start the package's own command line, without comments."""
    joined = text.replace("\\\n", " ")
    found = re.findall(r"(?:\./reacher|franka-reacher) +([a-z][^`\n|;]*)", joined)
    return [shlex.split(line.split("#")[0].split("&&")[0]) for line in found if "'" not in line]


def all_commands() -> list[tuple[str, list[str]]]:
    return [(page, words) for page, text in PAGES.items() for words in commands(text) if words]


def test_pages_name_commands() -> None:
    assert len(all_commands()) > 60


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_exist(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for words in commands(PAGES[page]):
        words = [re.sub(r"[.,:)]+$", "", word) for word in words if word != "..."]
        if not words or words[0] in SCRIPT_COMMANDS or words[0] in ("command", "to"):
            continue
        options = [word for word in words if word.startswith("--")]
        chain = [word for word in words if not word.startswith("-")]
        helps = help_of(chain, capsys)
        if helps is None:
            wrong.append(f"no command {words}")
        else:
            wrong += [f"{words}: no option {o}" for o in options if o.split("=")[0] not in helps]
    assert not wrong, wrong


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str | None:
    """The help of the command that words begin with: of `experiment run`, `bench` or `draw graph` the longest."""
    for count in (2, 1):
        if len(words) < count:
            continue
        with pytest.raises(SystemExit) as end:
            make_parser().parse_args([*words[:count], "--help"])
        text = capsys.readouterr().out
        if not end.value.code and (
            count == 1 or f" {' '.join(words[:2])} " in " ".join(text.split("\n")[0].split()) + " "
        ):
            return text
    return None


@pytest.mark.parametrize("page", PAGES)
def test_launch_arguments_exist(page: str) -> None:
    wrong = []
    text = re.sub(r" -[pr] \S+", "", PAGES[page])  # parameters and remappings of a single node
    for name, value in re.findall(r"(?<![\w/.])([a-z_]+):=([^\s`]*)", text):
        if name.startswith("__"):
            continue
        if name not in LAUNCH_ARGUMENTS:
            wrong.append(name)
        elif name in CHOICES and value.rstrip(".,;:)") not in (*CHOICES[name], "", "..."):
            wrong.append(f"{name}:={value}")
    assert not wrong, wrong


def parameters() -> dict[str, set[str]]:
    hints = get_type_hints(Setting)
    return {f.name: {g.name for g in fields(hints[f.name])} for f in fields(Setting) if is_dataclass(hints[f.name])}


@pytest.mark.parametrize("page", PAGES)
def test_parameters_exist(page: str) -> None:
    known = parameters()
    named = re.findall(r"`([a-z_]+)\.([a-z_]+)(?::[^`]*)?`", PAGES[page])
    wrong = [
        f"{section}.{name}" for section, name in named if section in known and name not in known[section] | {"csv"}
    ]
    assert not wrong, wrong


def test_columns_of_the_table_of_episodes_are_explained() -> None:
    page = PAGES["docs/reading_a_run.md"]
    assert [name for name in COLUMNS if f"`{name}`" not in page and not name.startswith("learner_")] == []


def heading_anchors(text: str) -> set[str]:
    """The anchors of a page, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_checkout_lead_somewhere(page: str) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        if name == "generated/parameters.md":
            continue
        if not path.exists() or (anchor and anchor not in heading_anchors(path.read_text())):
            broken.append(target)
    assert not broken, broken


def test_the_citation_has_the_version_of_the_package() -> None:
    package = re.search(r"<version>(.*)</version>", (ROOT / "package.xml").read_text())
    assert package and f"\nversion: {package[1]}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_page_is_in_the_table_of_contents() -> None:
    index = PAGES["docs/index.md"]
    listed = set(re.findall(r"^[a-z_/A-Z]+$", index, re.MULTILINE))
    written = {Path(page).stem for page in PAGES if page.startswith("docs/")} - {"index"}
    assert written <= listed, written - listed


def test_the_reference_has_every_setting_with_its_meaning(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from parameter_reference import write_reference
    finally:
        sys.path.pop(0)
    write_reference(tmp_path / "generated" / "parameters.md")
    text = (tmp_path / "generated" / "parameters.md").read_text()
    for section, names in parameters().items():
        table = text[text.index(f"### {section}\n") :].split("###", 2)[1]
        for name in names:
            (row,) = re.findall(rf"^\| `{name}` \| (.*) \|$", table, re.MULTILINE)
            assert len(re.split(r" \| ", row)) == 3, row
