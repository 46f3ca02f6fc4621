"""Write docs/images from a study: `make pictures STUDY=…`, once for a comparison and once for the replayed outage.

The first screen of its page as a browser shows it, and a plot of the report as it is.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
INCIDENT = "incident-2024-07-02"
SIZES = {"overview": (1280, 800), "incident": (1280, 800)}
"""Width and height of a first screen, in pixels of the page."""


def browser() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    return found or sys.exit(f"pictures: expected one of {', '.join(names)} on PATH; `deploy/setup test` installs one")


def take(page: Path, name: str) -> Path:
    """A picture of the beginning of the page, with a profile of its own."""
    width, height = SIZES[name]
    image = IMAGES / f"{name}.png"
    with tempfile.TemporaryDirectory() as profile:
        flags = (
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            "--force-color-profile=srgb",
        )
        size = f"--window-size={width},{height}"
        command = [browser(), *flags, size, "--force-device-scale-factor=1.5", f"--screenshot={image}", page.as_uri()]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=60)
    return image


def main(study: Path) -> None:
    report = study.resolve() / "report"
    if not (report / "index.html").is_file():
        sys.exit(f"pictures: {study} has no report: make one with `make report STUDY={study}`")
    if study.resolve().name.endswith(INCIDENT):
        print(take(report / "index.html", "incident"))
        return
    print(take(report / "index.html", "overview"))
    print(shutil.copyfile(report / "where-the-time-went.png", IMAGES / "where.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
