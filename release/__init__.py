"""What goes with a release: a list of what is in it, and a check of what is installed.

Run from the repository's root: `python -m release.sbom`, `python -m release.audit`.
"""
