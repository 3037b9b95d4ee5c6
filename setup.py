"""What a wheel needs that depends on other files: its requirements, the released models.

pyproject.toml says everything else. In a clone the models lie in
``models/``, where multimodal_ser/workflows/released.py finds them.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

#: The line of requirements.txt between what prediction needs and what training adds.
TRAINING = "\n# Training:"


def requirements(part: str) -> list[str]:
    """Return a part of requirements.txt without its comments."""
    return [line for line in part.splitlines() if line and not line.startswith("#")]


LIGHT, _, MORE = Path(__file__).with_name("requirements.txt").read_text().partition(TRAINING)
TRAIN = requirements("#" + MORE)
EXTRAS = {
    "train": TRAIN,
    # Parquet tables without the rest of what training adds.
    "parquet": [line for line in TRAIN if line.startswith("pyarrow")],
    # The feature sets egemaps and compare2016. For research only: its licence
    # excludes commercial products, so nothing else here may come to need it.
    "opensmile": ["opensmile>=2.5,<3"],
    # 'multimodal-ser extract --scheduler tcp://...': Dask spreads clips over machines.
    "cluster": ["distributed>=2026.1,<2027", "tornado>=6.5.7,<7"],
    # 'multimodal-ser app': the page in the browser. A player and a chart can be kept in step.
    "app": ["nicegui>=3.18,<4", "fastapi>=0.115,<1"],
    # A search whose candidates Optuna proposes.
    "search": ["optuna>=4,<6"],
}


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


setup(
    install_requires=requirements(LIGHT),
    extras_require=EXTRAS,
    cmdclass={"build_py": BuildWithModels},
)
