"""Code on the pages runs: each page's Python blocks, one after another, in one namespace."""

import re
import sys
from code import InteractiveConsole
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = [page for page in (ROOT / "docs").rglob("*.md") if "generated" not in page.parts]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS)]
WITH_CODE = [page for page in PAGES if "```python" in page.read_text("utf-8")]


class Prompt(InteractiveConsole):
    """Python's prompt: lines are run as they come, and an error ends the test."""

    def showtraceback(self):
        raise sys.exc_info()[1]

    def showsyntaxerror(self, filename=None, **others):
        raise sys.exc_info()[1]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_code_blocks_can_be_pasted_into_a_prompt(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "displayhook", repr)
    prompt = Prompt({"__name__": "__main__"}, str(page))
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        for line in [*block.splitlines(), ""]:
            is_open = prompt.push(line)
        assert not is_open, f"the block ends too early:\n{block}"
    plt.close("all")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_index_lists_every_page():
    index = (ROOT / "docs/index.md").read_text("utf-8")
    for page in DOCS:
        name = page.relative_to(ROOT / "docs").as_posix()
        assert name == "index.md" or name.startswith("results/") or f"]({name})" in index, name


def test_run_and_test_commands_are_one_line_each():
    readme = (ROOT / "README.md").read_text("utf-8")
    for heading in ("Run it", "Test it"):
        first = re.search(rf"^## {heading}\n+```bash\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
        assert first is not None, heading
        assert first[1].count("\n") == 1 and "#" not in first[1]
