"""Nets that train in seconds: toy data, digits, losses, attacks, measures, plots."""
