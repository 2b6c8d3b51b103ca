"""Engines: what runs a frozen backbone over uint8 pixels."""

from .base import Engine, Tap, run_padded

__all__ = ["Engine", "Tap", "run_padded"]
