"""Code on the pages runs: each page's Python blocks, one after another, in one namespace."""

import inspect
import pkgutil
import re
import runpy
import sys
from code import InteractiveConsole
from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import sklearn_claster

ROOT = Path(__file__).resolve().parents[1]
DOCS = [page for page in (ROOT / "docs").rglob("*.md") if "generated" not in page.parts]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS)]
WITH_CODE = [page for page in PAGES if "```python" in page.read_text("utf-8")]

# a block of code, and what it shows
NUMBER = re.compile(r"-?\d+\.\d+")
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.M | re.S)


class Prompt(InteractiveConsole):
    """Python's prompt: lines are run as they come, and an error ends the test."""

    def showtraceback(self):
        raise sys.exc_info()[1]

    def showsyntaxerror(self, filename=None, **others):
        raise sys.exc_info()[1]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_code_blocks_can_be_pasted_into_a_prompt(page, tmp_path, monkeypatch, capsys):
    """What stands below a block is what it prints, and the last value it shows."""
    monkeypatch.chdir(tmp_path)
    values = []
    monkeypatch.setattr(sys, "displayhook", values.append)
    prompt = Prompt({"__name__": "__main__"}, str(page))
    for block, shown in BLOCK.findall(page.read_text("utf-8")):
        capsys.readouterr()
        values.clear()
        for line in [*block.splitlines(), ""]:
            is_open = prompt.push(line)
        assert not is_open, f"the block ends too early:\n{block}"
        if shown:
            printed = capsys.readouterr().out
            found = printed or repr(values[-1])
            assert NUMBER.sub("", shown).split() == NUMBER.sub("", found).split(), found
            numbers = [[float(x) for x in NUMBER.findall(text)] for text in (shown, found)]
            assert numbers[0] == pytest.approx(numbers[1], abs=0.05), found
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


@pytest.fixture(scope="module")
def site():
    return runpy.run_path(str(ROOT / "docs/conf.py"))


def test_every_public_name_has_a_page(site):
    found = pkgutil.walk_packages(sklearn_claster.__path__, "sklearn_claster.")
    modules = {m.name for m in found if not any(part.startswith("_") for part in m.name.split("."))}
    pages = site["api_reference"]()
    assert pages.keys() == {"api.rst", "sklearn_claster.rst", *(f"{name}.rst" for name in modules)}
    for name in ["sklearn_claster", *modules]:
        public = {public for public in import_module(name).__all__ if not public.startswith("_")}
        page = pages[f"{name}.rst"]
        assert public == set(page.partition(":toctree: api")[2].split())
        assert public <= set(pages["api.rst"].partition(f"currentmodule:: {name}\n")[2].split())
        assert name in pages["api.rst"].partition(".. toctree::")[2].split()


def test_a_page_lists_methods_with_fit_and_predict_first(site):
    listed = site["classes"]()
    zsl = listed["sklearn_claster.ClasterZSL"]
    assert zsl["methods"][:2] == ["fit", "predict"]
    assert {"transform", "adapt", "set_candidates", "to"} <= set(zsl["methods"])
    assert not {"get_params", "set_output", "set_fit_request"} & set(zsl["methods"])
    assert {"cluster_centers_", "gate_threshold_"} <= set(zsl["properties"])
    for members in listed.values():
        if "fit" in members["methods"]:
            assert members["methods"][0] == "fit"


def test_docstrings_name_the_parameters_in_the_order_of_the_signature(site):
    """As scikit-learn checks its own: groups of parameters may not break numpydoc's parser."""
    docscrape = pytest.importorskip("numpydoc.docscrape", reason="numpydoc is in the docs extra")
    documented = [
        vars(module)[name] for module, names in site["public_names"]().items() for name in names
    ]
    classes = [of for of in documented if isinstance(of, type)]
    documented += [
        getattr(of, name) for of in classes for name in site["members_of"](of)["methods"]
    ]
    for of in filter(callable, documented):
        doc = docscrape.NumpyDocString(inspect.getdoc(of))
        names = [name.lstrip("*") for p in doc["Parameters"] for name in p.name.split(", ")]
        assert names == [name for name in inspect.signature(of).parameters if name != "self"], of


def test_run_and_test_commands_are_one_line_each():
    readme = (ROOT / "README.md").read_text("utf-8")
    for heading in ("Run it", "Test it"):
        first = re.search(rf"^## {heading}\n+```bash\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
        assert first is not None, heading
        assert first[1].count("\n") == 1 and "#" not in first[1]
