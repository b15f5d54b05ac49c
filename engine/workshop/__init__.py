"""Nets that train in seconds to minutes: toy data, nets, losses, attacks, measures, plots."""
