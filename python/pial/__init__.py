"""The Python side of pial."""
