"""Displays of what a zero-shot classifier has learnt and how it decides, with matplotlib."""

from ._clusters import ClusterClassDisplay
from ._detector import DetectorScoreDisplay
from ._epochs import EpochCurveDisplay
from ._reliability import ReliabilityDisplay
from ._representation import RepresentationDisplay
from ._seen_unseen import SeenUnseenCurveDisplay

__all__ = [
    "ClusterClassDisplay",
    "DetectorScoreDisplay",
    "EpochCurveDisplay",
    "ReliabilityDisplay",
    "RepresentationDisplay",
    "SeenUnseenCurveDisplay",
]
