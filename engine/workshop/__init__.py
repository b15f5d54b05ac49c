"""Generators that train in seconds to minutes: toy data and chairs, nets, losses, measures, plots."""
