"""The methods of attribution: a row for each; what computes them is imported when it is called.

A new method is a file with a function that takes an `Asked` and returns the map, and a row here:
panel, comparison, command line, sanity check and help read the rows.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from engine.errors import BadInput

if TYPE_CHECKING:
    from engine.attribution.asked import Compute


@dataclass(frozen=True)
class Method:
    """One way of asking what a target responds to."""

    command: str
    """Its name on the command line."""
    title: str
    """The name that people see."""
    compute: str
    """MODULE:FUNCTION in this folder; the function is an `engine.attribution.asked.Compute`."""
    signed: bool = False
    """Whether its values count for the target or against it; otherwise only their magnitude
    matters."""
    of_layer: bool = False
    """Whether it looks at a layer's map (the CAM family) rather than at pixels."""
    takes_layer: bool = False
    """Whether a person chooses the layer; CAM knows only one."""
    coarse: bool = False
    """Whether its map is a layer's grid, enlarged: then there are no outliers to cut off."""
    shares_pass: bool = False
    """Whether the forward pass that names the classes serves this method, too."""
    slow: bool = False
    """Whether it goes in steps that together take seconds; what it has found grows."""
    covers: bool = False
    """Whether it covers the picture with a square, which it then asks for (`Square`)."""
    relu_rule: str = ""
    """Whose backward rule for ReLUs it uses, guided or deconvnet; empty: the ordinary gradient."""
    key: str = ""
    """What red and blue mean, if it is signed."""
    help: str = ""
    """What it does, in a sentence."""

    def function(self) -> "Compute":
        """Return what computes it; this imports torch."""
        module, name = self.compute.split(":")
        compute: Compute = getattr(import_module(module), name)
        return compute


FOR_AND_AGAINST = "red supports it, blue opposes it"
_RELUS = "ReLU6 and functional ReLUs too, where many tools leave the plain gradient"
_HERE = "engine.attribution"
METHODS = (
    Method(
        "gradient",
        "gradient",
        f"{_HERE}.gradient:gradient",
        help="how much each pixel would change the target",
    ),
    Method(  # it says what a change would do, not what is there
        "signed-gradient",
        "signed gradient",
        f"{_HERE}.gradient:signed_gradient",
        signed=True,
        key="brightening raises it where red, lowers it where blue",
        help="the gradient with its sign: whether brightening a pixel raises or lowers the target",
    ),
    Method(
        "gradient-x-input",
        "gradient x input",
        f"{_HERE}.gradient:gradient_x_input",
        signed=True,
        key=FOR_AND_AGAINST,
        help="the gradient times the input: how much each pixel contributes to the target",
    ),
    Method(
        "smoothgrad",
        "SmoothGrad",
        f"{_HERE}.gradient:smoothgrad",
        slow=True,
        help="the mean gradient of 25 noisy copies of the picture",
    ),
    Method(
        "guided-backprop",
        "guided backprop",
        f"{_HERE}.relu_rules:guided",
        relu_rule="guided",
        help=f"the gradient, with negative values set to zero at every ReLU; the rule covers {_RELUS}",
    ),
    Method(
        "deconvnet",
        "deconvnet",
        f"{_HERE}.relu_rules:deconvolved",
        relu_rule="deconvnet",
        help=f"the signal is rectified on its way back instead of following the forward ReLUs; "
        f"the rule covers {_RELUS}",
    ),
    Method(
        "occlusion",
        "occlusion",
        f"{_HERE}.occluding:occluded",
        signed=True,
        slow=True,
        covers=True,
        key=FOR_AND_AGAINST,
        help="how far the target drops when a square covers each position",
    ),
    Method(
        "cam",
        "CAM",
        f"{_HERE}.class_activation:class_activation_map",
        of_layer=True,
        coarse=True,
        help="the last maps, weighted by the class's own weights; for networks that end "
        "in an average and one linear layer, or in the average of one map per "
        "class, such as SqueezeNet, whose map is shown after its ReLU",
    ),
    Method(
        "grad-cam",
        "Grad-CAM",
        f"{_HERE}.class_activation:grad_cam_at_layer",
        of_layer=True,
        takes_layer=True,
        coarse=True,
        shares_pass=True,
        help="a layer's maps, weighted by how much the target changes with them",
    ),
    Method(
        "guided-grad-cam",
        "guided Grad-CAM",
        f"{_HERE}.class_activation:guided_grad_cam_at_layer",
        of_layer=True,
        takes_layer=True,
        relu_rule="guided",
        help="guided backprop times Grad-CAM; the ReLU rule is that of guided backprop",
    ),
)


def find_method(name: str) -> Method:
    """Return the method with this command or title. Raises `BadInput` for any other name."""
    for method in METHODS:
        if name in (method.command, method.title):
            return method
    known = ", ".join(method.command for method in METHODS)
    raise BadInput(f"no method of attribution is called {name!r}; there are {known}")
