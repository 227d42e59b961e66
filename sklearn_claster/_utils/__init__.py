"""Between the estimators and torch, scikit-learn and the operating system."""
