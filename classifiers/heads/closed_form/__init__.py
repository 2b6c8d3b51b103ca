"""Heads with a closed-form fit."""
