"""Libraries needed only for some formats."""

from importlib.util import find_spec
from pathlib import Path

from engine.errors import BadInput


def needs(module: str, extra: str, path: Path) -> None:
    """Raise `BadInput` with the command that installs `extra` if `module` is not installed."""
    if find_spec(module) is None:
        raise BadInput(
            f"{path} needs {module}, which is not installed; "
            f'install it with: pip install "pareidolia[{extra}]"'
        )
