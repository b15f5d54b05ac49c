"""Domain adaptation: a classifier for data without labels, by gradient reversal."""

from engine.techniques.workshop_domain_adaptation.settings import DomainAdaptation

__all__ = ["DomainAdaptation"]
