"""Generators and discriminators that train in seconds: toy data, nets, losses, measures, plots."""
