"""Data sets for zero-shot classification: rows, labels and one vector per class."""

from ._digit_pairs import load_digit_pairs
from ._synthetic import make_zero_shot_classification

__all__ = ["load_digit_pairs", "make_zero_shot_classification"]
