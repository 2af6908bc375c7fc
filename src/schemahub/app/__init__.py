"""The composition root: reads the environment, wires ports to adapters, and nothing else."""

from __future__ import annotations

from schemahub.app.backend import LakeBackend, open_backend
from schemahub.app.environment import Configured, configure
from schemahub.app.wiring import App

__all__ = ["App", "Configured", "LakeBackend", "configure", "open_backend"]
