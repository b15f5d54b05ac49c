"""One folder per technique: its settings, and how it runs. Importing this does not import torch."""

from engine.task import Technique
from engine.techniques.activation_maximization import ActivationMaximization
from engine.techniques.adversarial import Adversarial
from engine.techniques.class_visualization import ClassVisualization
from engine.techniques.deep_dream import DeepDream
from engine.techniques.feature_inversion import FeatureInversion
from engine.techniques.hierarchy import Hierarchy
from engine.techniques.langevin import LangevinSampling
from engine.techniques.multifaceted import Multifaceted
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.texture_synthesis import TextureSynthesis

_KINDS: tuple[type[Technique], ...] = (
    StyleTransfer,
    TextureSynthesis,
    DeepDream,
    ClassVisualization,
    ActivationMaximization,
    FeatureInversion,
    LangevinSampling,
    Adversarial,
    Hierarchy,
    Multifaceted,
)
TECHNIQUES: dict[str, type[Technique]] = {kind.command: kind for kind in _KINDS}
