"""Ships `scenarios/`, which is no package, inside the wheel as `loadtests/shipped`. Everything else: pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = Path("loadtests", "shipped")


class BuildWithScenarios(build_py):
    """Also copies the scenarios, their schema and the objectives; an editable installation reads them in place."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for built, source in self._scenarios().items():
            self.mkpath(str(Path(built).parent))
            self.copy_file(source, built)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *({} if self.editable_mode else self._scenarios())]

    def _scenarios(self) -> dict[str, str]:
        """File in the build directory → source."""
        room = Path("scenarios")
        found = sorted(p for p in room.rglob("*") if p.suffix in (".yaml", ".json"))
        return {str(Path(self.build_lib) / SHIPPED / p.relative_to(room)): str(p) for p in found}


setup(cmdclass={"build_py": BuildWithScenarios})
