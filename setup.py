"""What pyproject.toml cannot say: the guide in `docs` is installed as `resources/docs`."""

from setuptools import find_namespace_packages, setup

GUIDE = "resources.docs"
PARTS = ["cli", "engine", "engine.*", "gui", "gui.*", "resources"]

setup(
    packages=[*find_namespace_packages(include=PARTS), GUIDE],
    package_dir={GUIDE: "docs"},
)
