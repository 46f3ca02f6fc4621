"""Run directories of version 0.3.0 mean the same to this version, and hold nothing that this version leaves out."""

import csv
import json

import pyarrow.parquet as pq
import pytest
from stored_studies import stored_documents
from stored_study import extract_study, stored_figures, stored_runs
from study_figures import OBJECTIVES, RENAMED, TEXTS, differences

from loadtests.export import export_run
from loadtests.records.rundirectory import short_files
from loadtests.records.streams import read_batches
from loadtests.records.tables import TABLES, codes_of
from reports import report_command
from reports.gate import command as gate_command

WRITTEN = {"01-sqlite": 1109, "02-postgres-optimistic": 1126}


@pytest.fixture
def study(tmp_path):
    return extract_study(tmp_path)


def test_every_row_is_read(tmp_path):
    runs = {run.name: run for run in stored_runs(tmp_path)}
    found = {name: sum(batch.num_rows for batch in run.batches("operations")) for name, run in runs.items()}
    assert found == {name: run.read("end")["operations"]["written"] for name, run in runs.items()}
    assert [short_files(run, run.read("end")) for run in runs.values()] == [[], []]


def test_tables_have_the_columns_and_names_of_0_3_0(tmp_path):
    for run in stored_runs(tmp_path):
        for path in sorted(run.path.glob("*.arrows")):
            table = TABLES[path.stem.partition("-")[0]]
            stored = next(iter(read_batches(path)), None)
            if stored is None:
                continue
            today = table.schema({"pod": ["pod-1"]})
            assert {f.name: f.type for f in stored.schema}.items() <= {f.name: f.type for f in today}.items()
            for name, names in codes_of(stored.schema).items():
                assert set(names) <= set(codes_of(today)[name]), (table.name, name)


def test_the_report_has_every_figure_of_0_3_0(study):
    assert report_command.main([str(study)]) == 0
    stored = stored_documents("plain")["summary"]
    written = json.loads((study / "report" / "summary.json").read_text(encoding="utf-8"))
    assert differences({"summary": stored}, {"summary": written}, RENAMED, TEXTS) == []
    with (study / "report" / "figures.csv").open(newline="", encoding="utf-8") as file:
        today = {(row["storage"], row["operation"], row["pod"], row["figure"]): row for row in csv.DictReader(file)}
    for row in stored_figures():
        found = today[row["storage"], row["operation"], row["pod"], row["figure"]]
        assert (found["unit"], found["at_least"], found["known"]) == (row["unit"], row["at_least"], row["known"])
        for bound in ("value", "low", "high"):
            expected = pytest.approx(float(row[bound]), rel=1e-9) if row[bound] else None
            assert (float(found[bound]) if found[bound] else None) == expected, row


def test_the_gate_judges_as_0_3_0_did(study):
    """By the objectives that were shipped with it."""
    assert gate_command.main([str(study), "--objectives", str(OBJECTIVES)]) == 2
    verdict = json.loads((study / "verdict.json").read_text())
    judged = [c for c in verdict["checks"] if c["check"].startswith("objective: ")]
    assert [(c["storage"], c["check"].partition(": ")[2], c["verdict"], c["observed"], c["n"]) for c in judged] == [
        ("sqlite", "connection-create", "unknown", 1.0, 36),
        ("sqlite", "subscription-create", "pass", 1.0, 77),
        ("sqlite", "chat-accept", "unknown", 1.0, 33),
        ("postgres:optimistic", "connection-create", "unknown", 1.0, 40),
        ("postgres:optimistic", "subscription-create", "pass", 1.0, 94),
        ("postgres:optimistic", "chat-accept", "unknown", 1.0, 33),
    ]
    others = [c for c in verdict["checks"] if not c["check"].startswith("objective: ")]
    assert [c for c in others if c["verdict"] != "pass"] == []


def test_tables_are_exported(study, tmp_path):
    for name, written in WRITTEN.items():
        assert export_run(study / name, "parquet", tmp_path / name) == 0
        assert pq.read_table(tmp_path / name / "operations.parquet").num_rows == written
