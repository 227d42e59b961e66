"""Zero-shot baselines with the interface of ClasterZSL."""

from ._eszsl import ESZSL

__all__ = ["ESZSL"]
