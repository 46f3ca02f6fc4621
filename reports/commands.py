"""The installed commands `loadtests-report` and `loadtests-gate`: a clean environment first, then their modules."""

from loadtests import environment


def report() -> int:
    environment.clean()
    from reports.report_command import main

    return main()


def gate() -> int:
    environment.clean()
    from reports.gate.command import main

    return main()
