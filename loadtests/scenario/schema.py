"""JSON Schema of scenarios, for editors: `python -m loadtests.scenario.schema` writes it beside the shipped ones."""

from loadtests import environment

if __name__ == "__main__":  # before any library is imported
    environment.clean()

import json
import sys
from pathlib import Path

from loadtests.scenario.finding import SHIPPED
from loadtests.scenario.model import Scenario

SCHEMA_FILE = SHIPPED / "schema.json"


def scenario_schema() -> str:
    """The schema as text, as it stands in the file."""
    schema = Scenario.model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


def main(path: Path = SCHEMA_FILE) -> None:
    path.write_text(scenario_schema(), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
