"""Settings of the site: `sphinx-build -W -b html docs build/docs`.

The pages are plain Markdown that reads well on a code host. What the site needs beyond that is made
here: the tables of contents from the lists of links on `index.md`, the API reference from every
`__all__`, and links to files outside this folder as links to the pages that show them.
"""

import os
import re
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FunctionType

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MADE = HERE / "generated"  # not committed
PACKAGE = import_module("sklearn_claster")
MODULES = [  # in the order of the API reference
    "",
    ".baselines",
    ".metrics",
    ".model_selection",
    ".datasets",
    ".text",
    ".video",
    ".inspection",
    ".persistence",
    ".distributed",
]
FIRST_METHODS = ["fit", "predict", "predict_proba", "predict_log_proba", "decision_function"]
FIRST_METHODS += ["top_k", "score"]

project = "sklearn_claster"
author = "The sklearn_claster developers"
copyright = f"2026, {author}. BSD 3-Clause License"
version = release = PACKAGE.__version__
html_title = f"{project} {version}"
html_theme = "furo"
html_copy_source = False
html_favicon = "static/favicon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
if os.environ.get("INTERSPHINX"):  # it downloads the inventories
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "numpy": ("https://numpy.org/doc/stable/", None),
        "sklearn": ("https://scikit-learn.org/stable/", None),
        "torch": ("https://docs.pytorch.org/docs/stable/", None),
    }
templates_path = ["templates"]
exclude_patterns = ["generated/gallery/*.py", "generated/gallery/*.ipynb"]
default_role = "py:obj"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_typehints = "none"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples"),
    "gallery_dirs": "generated/gallery",
    "within_subsection_order": "FileNameSortKey",
    "show_signature": False,
    "download_all_examples": False,
    "write_computation_times": False,
}

# What lies outside this folder, and the page of the site that shows it.
SHOWN = {
    ROOT / "CHANGELOG.md": "/generated/changelog.md",
    ROOT / "CONTRIBUTING.md": "/generated/contributing.md",
    ROOT / "README.md": "/index.md",
    ROOT / "examples": "/generated/gallery/index.rst",
    ROOT / "sklearn_claster": "/generated/api.rst",
} | {path: f"/generated/gallery/{path.stem}.rst" for path in ROOT.glob("examples/plot_*.py")}


def write_pages():
    """The pages that are made of files elsewhere."""
    MADE.mkdir(exist_ok=True)
    pages = {MADE / name: text for name, text in api_reference().items()}
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        pages[MADE / name.lower()] = linked((ROOT / name).read_text("utf-8"), ROOT)
    for path, text in pages.items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def api_reference():
    """A page with all public names, and one for each module, which the sidebar shows."""
    every, pages = "API reference\n=============\n", {}
    for module, names in public_names().items():
        title, about = module.__name__, module.__doc__.splitlines()[0]
        head = f"\n\n{about}\n\n.. currentmodule:: {title}\n\n.. autosummary::\n   :nosignatures:\n"
        listed = "\n" + "".join(f"   {name}\n" for name in names)
        every += f"\n{title}\n{'-' * len(title)}{head}{listed}"
        pages[f"{title}.rst"] = f"{title}\n{'=' * len(title)}{head}   :toctree: api\n{listed}"
    every += "\n.. toctree::\n   :hidden:\n\n" + "".join(f"   {page[:-4]}\n" for page in pages)
    return {"api.rst": every, **pages}


def public_names():
    """The public names of each module, what comes first on top and constants last."""
    found = {}
    for module in [import_module(f"sklearn_claster{name}") for name in MODULES]:
        names = [name for name in module.__all__ if not name.startswith("_")]
        order = {name: (name != "ClasterZSL", not callable(vars(module)[name])) for name in names}
        found[module] = sorted(names, key=order.__getitem__)
    return found


def members_of(of):
    """Methods of a class, `FIRST_METHODS` first, and its properties.

    What comes from scikit-learn is described there.
    """
    own = [cls for cls in of.__mro__ if cls.__module__.startswith(PACKAGE.__name__)]
    members = {
        name: member
        for cls in own
        for name, member in vars(cls).items()
        if not name.startswith("_") and not getattr(member, "__isabstractmethod__", False)
    }
    methods = [
        name
        for name, member in members.items()
        if isinstance(member, FunctionType | classmethod | staticmethod)
        and not member.__module__.startswith("sklearn.")
    ]
    first = [name for name in FIRST_METHODS if name in methods]
    properties = [name for name, member in members.items() if isinstance(member, property)]
    return {"methods": list(dict.fromkeys([*first, *methods])), "properties": properties}


def classes():
    """What the page of each class lists, by the class's public name."""
    return {
        f"{module.__name__}.{name}": members_of(getattr(module, name))
        for module, names in public_names().items()
        for name in names
        if isinstance(getattr(module, name), type)
    }


def linked(text, folder):
    """Links to files outside the site, as links to pages of it; without one, as plain text."""

    def replace(link):
        words, target, anchor = link.groups()
        path = Path(os.path.normpath(folder / target))
        if path in SHOWN:
            return f"[{words}]({SHOWN[path]})"
        if path.is_relative_to(HERE):
            return f"[{words}](/{path.relative_to(HERE).as_posix()}{anchor})"
        return words if path.exists() else link[0]

    return re.sub(r"(?<!!)\[([^]]+)\]\(([^)#:\s]+)((?:#[^)\s]*)?)\)", replace, text)


def keep_together(text):
    """Tables where no figure breaks off its spread or its interval."""
    figures = r"(?<=\d) [±→] (?=\d)|(?<=\d) (?=%)|[\[(][-+]\d[^])|]*[])]"
    in_line = partial(re.sub, figures, lambda found: found[0].replace(" ", "\xa0"))
    return re.sub(r"^\|.*$", lambda line: in_line(line[0]), text, flags=re.MULTILINE)


def contents(index):
    """A table of contents for each section of the index that lists pages."""
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        pages = re.findall(r"^\* \[[^]]+\]\(([^)]+)\.(?:md|rst)\)", section, flags=re.MULTILINE)
        if any(page.startswith("/results/") for page in pages):  # and those that are not linked
            pages += sorted(f"/results/{path.stem}" for path in HERE.glob("results/*.md"))
        if pages:
            options = [":hidden:", f":caption: {section.splitlines()[0]}", ""]
            yield "\n".join(["```{toctree}", *options, *dict.fromkeys(pages), "```"])


def read_source(app, page, source):
    path = HERE / f"{page}.md"
    if path.exists() and MADE not in path.parents:
        source[0] = keep_together(linked(source[0], path.parent))
    if page == "index":
        source[0] = "\n\n".join([source[0], *contents(source[0])])


def read_docstring(app, what, name, member, options, lines):
    """Data have no docstring, and `n_features_in_` in a type would be a link to nowhere."""
    if name == "sklearn_claster.PAPER_PARAMETERS":
        lines[:] = ["The paper's own values, for ``ClasterZSL(**PAPER_PARAMETERS)``."]
    lines[:] = [re.sub(r"\bn_\w+_(?=[,)])", r"``\g<0>``", line) for line in lines]


def head_groups(app, what, name, member, options, lines):
    """Headings over the groups of parameters that a docstring names as "Training (from `x`)"."""
    if what == "class":
        words = " ".join(lines)
        for title, first in re.findall(r"([A-Z][a-z ]+) \(from [^a-z]*`(\w+)`\)", words):
            at = next(
                i for i, line in enumerate(lines) if line.strip().startswith(f"**{first}** :")
            )
            lines[at:at] = [f"    .. rubric:: {title}", ""]


def find_public(app, env, node, shown):
    """Links for names that docstrings mention without their module, such as `ESZSL`."""
    name, dot, member = node.get("reftarget", "").partition(".")
    homes = {public: module for module, names in public_names().items() for public in names}
    if node.get("refdomain") == "py" and name in homes:
        target = f"{homes[name].__name__}.{name}{dot}{member}"
        domain = env.get_domain("py")
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, shown)


def setup(app):
    write_pages()
    app.connect("source-read", read_source)
    app.connect("missing-reference", find_public)
    app.connect("env-get-outdated", lambda *_: ["index"])  # it lists pages that may be new
    app.config.autosummary_context = {"classes": classes()}
    app.connect("autodoc-process-docstring", read_docstring, priority=400)  # before numpydoc
    app.connect("autodoc-process-docstring", head_groups, priority=600)  # after it
