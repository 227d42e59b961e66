"""Data sets for zero-shot classification: samples, labels and one vector per class."""

from ._digit_pairs import load_digit_pairs
from ._named_splits import load_truze_split, load_xu_splits, match_class_names
from ._synthetic import make_zero_shot_classification
from ._video_folder import load_video_folder
from ._xlsa17 import load_i3d, load_xlsa17

__all__ = [
    "load_digit_pairs",
    "load_i3d",
    "load_truze_split",
    "load_video_folder",
    "load_xlsa17",
    "load_xu_splits",
    "make_zero_shot_classification",
    "match_class_names",
]
