"""The rooms of the package: who may import whom, how long a module is, what lives in one place."""

import ast
import io
import sys
import tokenize
import tomllib
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sklearn_claster"
MAX_CODE_LINES = 300  # docstrings, comments and blank lines do not count
MAX_FLAT_MODULES = 7  # beside the folders; __init__ and __main__ do not count

# What the modules of a folder may import from the rest of the package; a folder's own modules, too.
MAY_IMPORT = {
    "_utils": set(),
    "_data": {"_utils"},
    "_core": {"_utils", "_data"},
    "_gate": {"_utils", "_data", "_class_embeddings", "model_selection._split"},
    "_adaptation": {"_utils", "_data", "_class_embeddings", "_gate"},
    "_class_embeddings": {"_utils"},
    "metrics": {"_utils", "_class_embeddings"},
    "model_selection": {"_utils", "metrics"},
    "video": {"_utils"},
    "_candidates": {"_utils", "_class_embeddings"},
    "_base": {"_utils", "_data", "_class_embeddings", "_candidates", "_gate", "_adaptation"},
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


FOLDED = {name for name in SOURCES if "." in name}


def inside(module, place):
    """Whether a module is `place` or lies below it."""
    return f"{module}.".startswith(f"{place}.")


def among(module, places):
    return any(inside(module, place) for place in places)


def code_lines(source):
    """Numbers of the lines that hold code: no docstring, no comment, not blank."""
    passive = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    passive.add(tokenize.ENDMARKER)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {
        number
        for token in tokens
        if token.type not in passive
        for number in range(token.start[0], token.end[0] + 1)
    }
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


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


def private(source, package):
    return {
        name
        for name in mentions(source, package)
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


def test_imports_go_one_way(module):
    place = next((place for place in MAY_IMPORT if inside(module, place)), None)
    if place is not None:
        allowed = {place, *MAY_IMPORT[place]}
        assert not {m for m in needs(SOURCES[module], module) if not among(m, allowed)}


def test_listing_shows_the_design():
    flat = {name for name in SOURCES if name} - PACKAGES - FOLDED - {"__main__"}
    assert len(flat) <= MAX_FLAT_MODULES


def test_no_import_cycle():
    TopologicalSorter({name: needs(source, name) for name, source in SOURCES.items()}).prepare()


def test_module_fits_in_the_head(module):
    assert len(code_lines(SOURCES[module])) <= MAX_CODE_LINES


@pytest.mark.parametrize("package", ["sklearn", "torch"])
def test_no_private_names_of_others(module, package):
    assert not private(SOURCES[module], package)


def test_optimisers_only_in_one_place(module):
    assert module == "_core.adam" or not mentions(SOURCES[module], "torch.optim")


def test_warnings_go_one_way(module):
    assert module == "_utils.warning" or not mentions(SOURCES[module], "warnings.warn")


def test_no_global_torch_state(module):
    assert not {name for name in GLOBAL_STATE if mentions(SOURCES[module], name)}


def test_only_dependencies_at_load(module):
    assert not foreign(SOURCES[module])


# The checks themselves: each has to notice the thing it forbids, and nothing else.


@pytest.mark.parametrize(
    ("source", "module", "expected"),
    [
        ("from .equations import rectify", "_core.networks", {"_core.equations"}),
        ("from . import equations", "_core.networks", {"_core.equations"}),
        ("from sklearn_claster._core import equations", "_base", {"_core.equations"}),
        ("import sklearn_claster._core.equations as eq", "_base", {"_core.equations"}),
        ("from .._core.equations import rectify", "datasets._synthetic", {"_core.equations"}),
        ("from ._synthetic import f", "datasets", {"datasets._synthetic"}),
        ("from . import f", "datasets._synthetic", {"datasets"}),
        ("def f():\n    from .._base import g", "_core.equations", {"_base"}),
        ("from . import f", "metrics", {""}),
        ("import torch\nfrom sklearn.base import clone", "_core.networks", set()),
    ],
)
def test_needs(source, module, expected):
    assert needs(source, module) == expected


def test_code_lines():
    source = (
        '"""Doc.\n\nMore."""\n\n# why\ndef f():\n    """Doc."""\n    return """a\n\nb"""  # x\n'
    )
    assert code_lines(source) == {6, 8, 9, 10}


def test_a_place_is_itself_and_what_lies_below():
    assert inside("_core.networks", "_core") and inside("metrics", "metrics")
    assert not inside("_core_two.a", "_core")
    assert among("_data.rows", {"_utils", "_data"}) and not among("_base", {"_utils"})


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
        "import torch\ntorch._fused_adam_([])",
        "from torch._utils import _flatten_dense_tensors",
    ],
)
def test_private_names_of_others_are_noticed(source):
    assert private(source, "sklearn") or private(source, "torch")


def test_public_names_of_others_are_not():
    assert not private("from sklearn import __version__\nfrom sklearn.base import clone", "sklearn")
    assert not private("import torch\ntorch.__version__\ntorch.nn.functional.relu", "torch")


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
