# mypy: disable-error-code="no-untyped-call"
"""Locust's own page and its routes, made to say what goes on: state, Start and Stop, the form, and the downloads."""

import csv
import io
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request

from loadtests.webui.control import RunControl
from loadtests.webui.form import CHOICES
from loadtests.webui.page import TEMPLATES, render

View = Callable[..., Any]

_NOT_MEASURED = "Average Content Size"
"""A column of Locust's tables that is 0 here whatever was sent."""

_RATES = ("current_rps", "current_fail_per_sec")
"""What Locust goes on showing as the present rate when the load has ended."""

_REPORT_NOTE = """\
<p style="margin:0;padding:.75rem 1rem;font:16px/1.4 system-ui,sans-serif;background:#17324d;color:#fff">
This is Locust's report of its live figures, rounded, pushes and requests alike. It knows nothing of lock waits, of the
ledger or of the verdict: those are in the report of the run directory, <code>{{ report }}</code>.</p>"""


class LocustPage:
    """What replaces or completes Locust's views; `add` puts it in place."""

    def __init__(self, web_ui: Any, control: RunControl) -> None:
        self._web_ui, self._control = web_ui, control
        self._views: dict[str, View] = web_ui.app.view_functions

    def add(self) -> None:
        update = self._web_ui.update_template_args
        self._web_ui.update_template_args = lambda: self._update_template(update)
        for name, view in {"swarm": self._swarm, "stop": self._stop}.items():
            self._replace(name, view)
        for name in ("reset_stats", "update_user"):
            self._replace(name, _refuse)
        for name, change in {
            "index": self._with_banner,
            "request_stats": self._with_state,
            "stats_report": self._with_note,
            "request_stats_csv": _without_unmeasured,
        }.items():
            self._complete(name, change)
        self._add_routes()

    def _replace(self, name: str, view: View) -> None:
        self._views[f"locust.{name}"] = self._web_ui.auth_required_if_enabled(view)

    def _complete(self, name: str, change: Callable[[Response], Response]) -> None:
        view = self._views[f"locust.{name}"]
        forget = getattr(view, "clear_cache", lambda: None)

        def completed(*args: Any, **kwargs: Any) -> Response:
            forget()  # Locust answers with what was two seconds ago, which its page would keep after the end
            response = make_response(view(*args, **kwargs))
            return change(response) if response.status_code == 200 else response

        self._views[f"locust.{name}"] = completed

    # Locust's page.

    def _update_template(self, update: Callable[[], None]) -> None:
        """The state is ours, and the form begins with what was chosen last."""
        update()
        page = self._web_ui.template_args
        fields = {name: dict(page["extra_options"][name]) for name in CHOICES if name in page["extra_options"]}
        if self._control.target:
            fields.pop("storage", None)
        for name, field in fields.items():
            chosen = self._control.choice[name]
            field["default_value"] = chosen
            if chosen not in list(field["choices"]):
                field["choices"] = [chosen, *field["choices"]]
        page |= {
            "state": self._control.locust_state,
            "extra_options": fields,
            "host": self._control.target,
            "missing_host_warning": False,
            "override_host_warning": False,
            "show_userclass_picker": False,
        }

    def _with_banner(self, response: Response) -> Response:
        text = response.get_data(as_text=True)
        if 'id="root"' not in text:
            return response  # the log-in page
        banner = TEMPLATES.get_template("banner.html").render(status=self.status(), target=self._control.target)
        response.set_data(text.replace("<body>", f"<body>{banner}", 1))
        response.headers["Cache-Control"] = "no-store"
        return response

    def _with_state(self, response: Response) -> Response:
        figures = response.get_json() | {"state": self._control.locust_state}
        if not self._control.loading:
            for some in (figures, *figures["stats"]):
                some |= {name: 0 for name in _RATES if name in some}
            figures["current_response_time_percentiles"] = dict.fromkeys(figures["current_response_time_percentiles"])
        return jsonify(figures)

    def _with_note(self, response: Response) -> Response:
        run = self._control.run
        command = (
            f"loadtests-report {run.directory.rpartition('/')[0]}" if run is not None else "loadtests-report STUDY"
        )
        banner = TEMPLATES.from_string(_REPORT_NOTE).render(report=command)
        response.set_data(response.get_data(as_text=True).replace("<body>", f"<body>{banner}", 1))
        return response

    # Buttons.

    def _swarm(self) -> Response:
        answer = self._control.start(request.form)
        return jsonify({"success": answer.success, "message": answer.message, "host": self._control.target})

    def _stop(self) -> Response:
        answer = self._control.stop()
        return jsonify({"success": answer.success, "message": answer.message})

    # Our own pages.

    def status(self) -> dict[str, Any]:
        """What the banner shows."""
        control = self._control
        phase = control.phase
        return {
            "phase": str(phase),
            "state": control.locust_state,
            "sentence": " ".join(filter(None, (control.sentence, control.note))),
            "problems": [] if phase.busy else control.problems,
        }

    def _add_routes(self) -> None:
        blueprint = Blueprint("loadtests", __name__)

        def run() -> Response:
            page = Response(render(self._control), mimetype="text/html")
            page.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
            page.headers["Cache-Control"] = "no-store"
            return page

        def status() -> Response:
            response = jsonify(self.status())
            response.headers["Cache-Control"] = "no-store"
            return response

        for path, view in {"/run": run, "/run/status": status}.items():
            blueprint.add_url_rule(path, view_func=self._web_ui.auth_required_if_enabled(view))
        base_path = getattr(self._web_ui.environment.parsed_options, "web_base_path", "")
        self._web_ui.app.register_blueprint(blueprint, url_prefix=base_path or None)


def _refuse() -> Response:
    return make_response("the scenario decides, and figures count from the start of the run: not available here", 409)


def _without_unmeasured(response: Response) -> Response:
    """A table without the columns that are not measured."""
    rows = list(csv.reader(io.StringIO(response.get_data(as_text=True))))
    left_out = [i for i, name in enumerate(rows[0]) if name == _NOT_MEASURED] if rows else []
    text = io.StringIO()
    csv.writer(text).writerows([cell for i, cell in enumerate(row) if i not in left_out] for row in rows)
    response.set_data(text.getvalue())
    return response
