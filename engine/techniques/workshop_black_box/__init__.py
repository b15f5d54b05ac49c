"""Black-box attack: a net is fooled by someone who can only ask it."""

from engine.techniques.workshop_black_box.settings import BlackBox

__all__ = ["BlackBox"]
