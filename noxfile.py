"""The tests with the oldest and the newest versions that the package states.

``nox -l`` lists the sessions; ``nox -s "tests(scikit_learn='1.6')"`` runs one.
"""

import nox

OLDEST = {"numpy": "2.0.0", "scipy": "1.14.0", "joblib": "1.4.0"}  # of pyproject.toml
SCIKIT_LEARN = ["1.6", "1.7", "1.8", "1.9"]

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
