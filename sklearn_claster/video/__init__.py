"""Features of videos: files, arrays or lists of images in, one vector per video out."""

from ._features import VideoFeatures

__all__ = ["VideoFeatures"]
