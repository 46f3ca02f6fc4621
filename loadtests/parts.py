"""What tables of things that can be added name as `module:NAME`: engines, protocols, actions. A leaf."""

import ast
import importlib.util
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any


class IncompleteError(ValueError):
    """An entry of a table lacks a part. The message names both, and what to correct."""


def load(place: str) -> Any:
    """Imports what `module:NAME` names. Raises IncompleteError with the reason where it is not there."""
    try:
        return resolve_name(place)
    except (ImportError, AttributeError):
        if why := why_missing(place):
            raise IncompleteError(why) from None
        raise


@cache
def why_missing(place: str) -> str:
    """Why `module:NAME` is not there; empty where it is."""
    module, _, attribute = place.partition(":")
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError as error:
        return f"there is no module {error.name}"
    except ValueError:
        spec = None
    if spec is None:
        return f"there is no module {module}"
    source = Path(spec.origin or "")
    if source.suffix != ".py" or not source.is_file():
        return ""
    return "" if attribute in _names(source) else f"{module} has no {attribute or 'name after the colon'}"


def _names(source: Path) -> set[str]:
    """The names that a module assigns, defines or imports at its top level."""
    names: set[str] = set()
    for node in ast.parse(source.read_bytes()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
    return names
