"""Figures of speed and size, measured where they are printed: `make bench`, BENCHMARKS.md.

Whatever is measured runs in a process of its own, and this one stays small: on Linux a child's
peak memory is never reported lower than that of the process that started it.
"""
