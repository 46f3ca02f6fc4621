from reports.data.generator import strain


def test_the_busiest_worker_and_late_arrivals_are_named():
    workers = [
        {"worker": "0", "cpu_share": 0.4},
        {"worker": "1", "cpu_share": 0.97},
        {"worker": "2", "cpu_share": None},
    ]
    text = strain({"generator": {"workers": workers}, "late_starts": {"count": 30, "of": 638}})
    assert text == "its busiest worker used 97% of a processor, 30 of 638 arrivals (4.7%) began more than 100 ms late"


def test_standstill_is_reported():
    workers = [{"worker": "0", "cpu_share": 0.4, "stood_still_s": 0.2}, {"worker": "1", "stood_still_s": 4.25}]
    text = strain({"generator": {"workers": workers}})
    assert text == "its busiest worker used 40% of a processor, a worker stood still for 4.2 s"


def test_missing_figures_are_left_out():
    assert strain({"generator": {"workers": []}, "late_starts": {"count": 0, "of": 0}}) == ""
    assert strain({}) == ""
