"""Fuzzing by hand: what reads bytes from outside, fed with bytes that nobody planned.

`python -m fuzz answers --seconds 60`; see CONTRIBUTING.md. No part of the product or of CI.
"""
