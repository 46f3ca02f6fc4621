"""The story of a study, sentence by sentence."""

from studies import Op, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.text.story import story


def test_story_of_one_system_names_it(tmp_path):
    accepts = [Op("chat.accept", planned_s=5.0 + i / 50, response_s=0.02) for i in range(400)]
    write_run(tmp_path, "01-sqlite", operations=accepts)
    found = story(find("study", read_study(tmp_path)))
    assert found.answered
    assert "sqlite" in found.headline
    assert found.hero == "accept-over-time"
