"""The tests with the oldest and the newest versions that the package states; tests of the tests.

``nox -l`` lists the sessions; ``nox -s "tests(scikit_learn='1.6')"`` runs one.
``mutation`` runs when it is named.
"""

import shutil
from pathlib import Path

import nox

OLDEST = {"numpy": "2.0.0", "scipy": "1.14.0", "joblib": "1.4.0"}  # of pyproject.toml
SCIKIT_LEARN = ["1.6", "1.7", "1.8", "1.9"]
NEAREST_TESTS = {  # of modules whose code is mutated
    "_core/equations": ["test_equations", "test_reinforce"],
    "_core/whitening": ["test_input_space"],
    "_gate/gate": ["test_gzsl"],
    "_gate/rules": ["test_gate_rules", "test_bias_detector"],
    "metrics": ["test_metrics"],
}
MUTATION = r"""
[mutmut]
source_paths = sklearn_claster
only_mutate = sklearn_claster/{module}.py
pytest_add_cli_args_test_selection ={tests}
# what errors and warnings say is of no matter
do_not_mutate_patterns =
    raise \w+
    warn\(
"""

nox.options.default_venv_backend = "venv"


@nox.session
@nox.parametrize("scikit_learn", SCIKIT_LEARN)
def tests(session, scikit_learn):
    """Every minor version of scikit-learn, with the newest of everything else."""
    session.install("-c", "constraints.txt", "-e", ".[test]", f"scikit-learn=={scikit_learn}.*")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def oldest(session):
    """The oldest stated versions together."""
    pins = [f"{name}=={version}" for name, version in OLDEST.items()]
    pins += ["sentence-transformers==3.3.0", "transformers<5"]  # later ones want a newer torch
    session.install("-e", ".[test]", "scikit-learn==1.6.0", "torch==2.4.0", *pins)
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session(default=False)
@nox.parametrize("module", list(NEAREST_TESTS))
def mutation(session, module):
    """Small changes of a module's code, one by one, that its nearest tests have to notice.

    At the end stand those that went unnoticed; ``mutmut show NAME`` in the session's folder ``tmp``
    prints one. Names after ``--`` are tried alone.
    """
    session.install("-c", "constraints.txt", "-e", ".[test]", "mutmut>=3.8,<4")
    place = Path(session.create_tmp())  # mutmut reads its settings from where it works
    shutil.rmtree(place / "mutants", ignore_errors=True)  # it would believe an earlier run
    for name in ["sklearn_claster", "tests"]:
        shutil.copytree(name, place / name, dirs_exist_ok=True)
    shutil.copy("pyproject.toml", place)
    tests = "".join(f"\n    tests/{name}.py" for name in NEAREST_TESTS[module])
    settings = MUTATION.format(module=module, tests=tests)
    (place / "setup.cfg").write_text(Path("setup.cfg").read_text() + settings)
    session.chdir(place)
    env = {"OMP_NUM_THREADS": "1"}  # what a mutant's process inherits of threads does not run
    session.run(
        "nice", "mutmut", "run", "--max-children", "1", *session.posargs, env=env, external=True
    )
    session.run("mutmut", "results")
