"""What a command imports: its start is most of a short run's time."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CAT, STROKES = "resources/pictures/cat.jpg", "resources/pictures/brush_strokes.jpg"
MACHINERY = ("sympy", "torch._dynamo", "torch._inductor", "torchvision", "sklearn", "cv2", "av")


@pytest.mark.parametrize(
    "command",
    [
        ["style-transfer", CAT, "--style", STROKES],
        ["deep-dream", CAT],
        ["class-visualization", "--class", "3"],
        ["attribute", CAT, "--method", "grad-cam"],
        ["inspect", CAT, "--what", "activations"],
    ],
    ids=" ".join,
)
def test_no_compiler_and_no_library_of_other_commands_is_imported(command, tmp_path: Path) -> None:
    command = [*command, "-o", str(tmp_path / "out.png")]
    if command[0] not in ("attribute", "inspect"):
        command += ["--size", "64", "--iterations", "1"]
    code = (
        "import sys, main\n"
        f"sys.argv = ['main.py', *{command!r}]\n"
        "assert main.main() == 0\n"
        f"print('imported:', [m for m in {MACHINERY!r} if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "imported: []"


def test_nor_for_the_layers_of_the_networks_listed_first() -> None:
    code = (
        "import sys; from engine.networks.building import build\n"
        "from engine.networks.catalogue import FEATURED\n"
        "from engine.networks.tracing import trace, without_memory\n"
        "for name in FEATURED:\n"
        "    assert trace(without_memory(build(name, 10)), (224, 224))[1] is None, name\n"
        f"print([m for m in {MACHINERY!r} if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", ran.stderr
