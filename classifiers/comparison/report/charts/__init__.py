"""Curves of a report, drawn as SVG, each with its table."""
