"""Puts the released models into the package when a wheel is built.

pyproject.toml says everything else. In a clone the models lie in
``models/``, where multimodal_ser/workflows/released.py finds them.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithModels(build_py):
    """Copies ``models/`` to ``multimodal_ser/models/`` of what is built."""

    def run(self) -> None:
        """Build as usual, then copy, unless nothing is copied at all."""
        super().run()
        for source, target in self._models():
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return what was built, the models too."""
        return [*super().get_outputs(include_bytecode), *(target for _, target in self._models())]

    def _models(self) -> list[tuple[str, str]]:
        if self.editable_mode:
            return []
        package = Path(self.build_lib) / "multimodal_ser"
        files = sorted(path for path in Path("models").rglob("*") if path.is_file())
        return [(str(path), str(package / path)) for path in files]


setup(cmdclass={"build_py": BuildWithModels})
