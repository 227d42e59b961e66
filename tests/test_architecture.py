"""The rooms of the package: who may import whom, how long a module is, what lives in one place."""

import ast
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sklearn_claster"
MAX_LINES = 450

# Imports go up this list only; every other module is a shell around it.
LAYERS = [
    {"_equations", "_torch_utils", "_preprocessing", "_parameters", "_callbacks", "_state"}
    | {"_on_disk", "_processes", "_adam", "_ridge"},
    {"_class_embeddings", "_kmeans", "_networks", "_rows"},
    {"_whitening"},
    {"_training", "_centroids", "_inference", "_input_space"},
    {"_model"},
    {"_learning"},
]
LEAVES = LAYERS[0] | {"_class_embeddings"}
ALLOWED = {
    **{name: set().union(*LAYERS[:depth]) for depth, layer in enumerate(LAYERS) for name in layer},
    "_detection": LEAVES,
    "_gating": {*LEAVES, "_detection"},
    "_gate_fitting": {*LEAVES, "_detection", "_gating", "model_selection"},
    "_gated": {*LEAVES, "_detection", "_gating", "_gate_fitting"},
    "_base": {*LEAVES, "_gated"},
}
GLOBAL_STATE = {  # of torch; generators are private here
    "torch.manual_seed",
    "torch.seed",
    "torch.set_rng_state",
    "torch.set_default_device",
    "torch.set_default_dtype",
    "torch.random",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
}


def dotted(path):
    """A module's name inside the package: "datasets._synthetic", "datasets", "" for the root."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {dotted(path): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
PACKAGES = {dotted(path) for path in PACKAGE.rglob("__init__.py")}


def full(name):
    return f"{PACKAGE.name}.{name}".rstrip(".")


def imported(nodes, module=None):
    """Absolute dotted names that import statements bring in; relative ones only into a `module`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (module is not None or not node.level):
            base = node.module
            if node.level:
                parent = full(module) if module in PACKAGES else full(module).rpartition(".")[0]
                base = resolve_name("." * node.level + (node.module or ""), parent)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imports_at_load(source):
    """Names imported when the module loads: neither in functions nor for type checkers only."""

    def walk(node):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        yield node
        unread = (
            node.body if isinstance(node, ast.If) and "TYPE_CHECKING" in names(node.test) else []
        )
        for child in ast.iter_child_nodes(node):
            if child not in unread:
                yield from walk(child)

    return set(imported(walk(ast.parse(source))))


def names(tree):
    """Dotted names such as "torch.optim.Adam" that a syntax tree holds; strings are not read."""
    return {
        ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)
    }


def mentions(source, prefix):
    """Names in the source, imported or used, that are `prefix` or lie below it."""
    tree = ast.parse(source)
    found = {*imported(ast.walk(tree)), *names(tree)}
    return {name for name in found if f"{name}.".startswith(f"{prefix}.")}


def needs(source, module):
    """Modules of this package that `module` imports, anywhere in its source."""
    found = set()
    for name in imported(ast.walk(ast.parse(source)), module):
        if name.split(".")[0] == PACKAGE.name:
            inside = name.partition(".")[2]
            found.add(inside if inside in SOURCES else inside.rpartition(".")[0])
    return found


def private_scikit_learn(source):
    return {
        name
        for name in mentions(source, "sklearn")
        if any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
    }


def foreign(source):
    """Packages imported at load that are neither the standard library nor dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    dependencies = {requirement.split(">=")[0] for requirement in project["dependencies"]}
    known = {PACKAGE.name, "sklearn", *dependencies, *sys.stdlib_module_names}
    return {name.split(".")[0] for name in imports_at_load(source)} - known


@pytest.fixture(params=sorted(SOURCES), ids=full)
def module(request):
    return request.param


@pytest.mark.parametrize("core", sorted(ALLOWED))
def test_imports_go_one_way(core):
    assert needs(SOURCES[core], core) <= ALLOWED[core]


def test_no_import_cycle():
    TopologicalSorter({name: needs(source, name) for name, source in SOURCES.items()}).prepare()


def test_module_fits_in_the_head(module):
    assert len(SOURCES[module].splitlines()) <= MAX_LINES


def test_no_private_scikit_learn(module):
    assert not private_scikit_learn(SOURCES[module])


def test_optimisers_only_in_one_place(module):
    assert module == "_adam" or not mentions(SOURCES[module], "torch.optim")


def test_no_global_torch_state(module):
    assert not {name for name in GLOBAL_STATE if mentions(SOURCES[module], name)}


def test_only_dependencies_at_load(module):
    assert not foreign(SOURCES[module])


# The checks themselves: each has to notice the thing it forbids, and nothing else.


@pytest.mark.parametrize(
    ("source", "module", "expected"),
    [
        ("from ._equations import rectify", "_networks", {"_equations"}),
        ("from . import _equations", "_networks", {"_equations"}),
        ("from sklearn_claster import _equations", "_networks", {"_equations"}),
        ("import sklearn_claster._equations as eq", "_networks", {"_equations"}),
        ("from .._equations import rectify", "datasets._synthetic", {"_equations"}),
        ("from ._synthetic import f", "datasets", {"datasets._synthetic"}),
        ("from . import f", "datasets._synthetic", {"datasets"}),
        ("def f():\n    from ._base import g", "_equations", {"_base"}),
        ("from . import f", "metrics", {""}),
        ("import torch\nfrom sklearn.base import clone", "_networks", set()),
    ],
)
def test_needs(source, module, expected):
    assert needs(source, module) == expected


def test_a_cycle_is_an_error():
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


@pytest.mark.parametrize(
    "source",
    [
        "from sklearn.utils._param_validation import Interval",
        "import sklearn.cluster._kmeans",
        "from sklearn.cluster import _kmeans",
        "import sklearn.base\nsklearn.base._fit_context",
    ],
)
def test_private_scikit_learn_is_noticed(source):
    assert private_scikit_learn(source)


def test_public_scikit_learn_is_not():
    assert not private_scikit_learn(
        "from sklearn import __version__\nfrom sklearn.base import clone"
    )


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.optim.Adam([])",
        "from torch import optim",
        "from torch.optim import SGD",
        "import torch.optim.lr_scheduler",
        "import torch\ndef f(adam: torch.optim.Adam): pass",
    ],
)
def test_optimisers_are_noticed(source):
    assert mentions(source, "torch.optim")


def test_private_generators_are_allowed():
    source = "import torch\n'torch.manual_seed is not used'\ntorch.Generator().manual_seed(0)"
    assert not mentions(source, "torch.manual_seed")
    assert mentions("from torch import manual_seed", "torch.manual_seed")
    assert mentions("torch.random.manual_seed(0)", "torch.random")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import pandas as pd", {"pandas"}),
        ("try:\n    import skops\nexcept ImportError:\n    skops = None", {"skops"}),
        ("class A:\n    import tqdm", {"tqdm"}),
        ("def f():\n    import matplotlib", set()),
        ("if TYPE_CHECKING:\n    import matplotlib\nelse:\n    import h5py", {"h5py"}),
        ("import os, torch, joblib.parallel\nfrom scipy import stats\nfrom . import f", set()),
    ],
)
def test_foreign(source, expected):
    assert foreign(source) == expected
