"""`docs/objectives.md` and `docs/run-directory.md` match the gate."""

import json
import re
from pathlib import Path

from studies import Op, write_run

from reports.gate.command import main
from reports.gate.judging.ledgers import NEED_NOT_BE_KNOWN
from reports.gate.judging.soundness import SOUNDNESS
from reports.gate.judging.statistics import attempts_to_pass
from reports.gate.slo.metadata import ANNOTATIONS, OPERATIONS, OTHERS
from reports.gate.slo.objectives import parse_objectives

DOCS = Path(__file__).resolve().parents[2] / "docs"
OBJECTIVES = (DOCS / "objectives.md").read_text()
EXAMPLE = re.search(r"```yaml\n(.*?)```", OBJECTIVES, re.DOTALL)[1]


def test_the_example_is_valid():
    (objective,) = parse_objectives(EXAMPLE, "objectives.md").objectives
    assert (str(objective), objective.target) == ("chat.accept within 300 ms", 0.99)


def test_every_operation_and_annotation_is_documented():
    text = " ".join(OBJECTIVES.split())
    assert all(f"`{operation}`" in text for operation in OPERATIONS)
    assert all(f"| `{annotation}` |" in OBJECTIVES for annotation in OTHERS)
    for annotation, values in ANNOTATIONS.items():
        assert re.search(rf'`{annotation}` \| `"?{values[0]}"?`, `"?{values[1]}"?` \|', OBJECTIVES)


def test_optional_ledger_checks_are_documented():
    section = OBJECTIVES.partition("**The ledger.**")[2].partition("\n\n")[0]
    listed = section.partition("but of")[2].partition("what is")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == NEED_NOT_BE_KNOWN


def test_attempts_to_pass_are_documented():
    needed = [f"{attempts_to_pass(t):,}" for t in (0.9, 0.95, 0.99, 0.999)]
    sentence = "{} attempts are enough to pass 90 %, {} for 95 %, {} for 99 %, {} for 99.9 %".format(*needed)
    assert sentence in " ".join(OBJECTIVES.split())


def test_keys_of_verdict_json_are_documented(tmp_path):
    (tmp_path / "o.yaml").write_text(EXAMPLE)
    study = tmp_path / "study"
    write_run(study, operations=[Op("chat.accept")])
    main([str(study), "--objectives", str(tmp_path / "o.yaml")])
    document = json.loads((study / "verdict.json").read_text())
    section = (DOCS / "run-directory.md").read_text().partition("### `STUDY/verdict.json`")[2].partition("\n## ")[0]
    documented = {
        key for row in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)
    }
    assert documented == set(document) | set(document["checks"][0])
    names = {c["check"].partition(":")[0] for c in document["checks"]}
    assert all(f"`{name}" in section for name in names)


def test_table_of_faults_is_that_of_the_code():
    rows = re.findall(r"^\| `([\w ]+)` \| [^|]+ \| `([\w, ]+)` \| ([^|]+) \|$", OBJECTIVES, re.MULTILINE)
    assert rows[0][0] == "readable"
    assert rows[1:] == [(line.check, str(line.bias), line.why) for line in SOUNDNESS]
