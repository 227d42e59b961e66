"""Samples in memory and on disk, and their unit rows."""
