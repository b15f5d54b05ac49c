"""One file per technique: its settings, and how it runs. Importing them does not import torch."""

from engine.task import Technique
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer

TECHNIQUES: dict[str, type[Technique]] = {kind.command: kind for kind in (StyleTransfer, DeepDream)}
