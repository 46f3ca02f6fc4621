# mypy: disable-error-code="no-untyped-call"
"""Locust's own page and its routes, made to say what goes on: state, Start and Stop, the form, and the downloads."""

import csv
import io
import re
import secrets
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request

from loadtests.sanitize import text_cell
from loadtests.webui.control import RunControl
from loadtests.webui.form import CHOICES
from loadtests.webui.guard import POLICY, page_policy
from loadtests.webui.page import TEMPLATES, render
from loadtests.webui.protection import TOKEN_HEADER, token

View = Callable[..., Any]

_NOT_MEASURED = "Average Content Size"
"""A column of Locust's tables that is always 0 here."""

_RATES = ("current_rps", "current_fail_per_sec")
"""What Locust goes on showing as the present rate when the load has ended."""

_PROGRAM = '<script type="module"'

_SCRIPTS = re.compile(r"<script(?=>)")
"""Of the body, in which `<` of values is escaped."""

_REPORT_NOTE = """\
<p style="margin:0;padding:.75rem 1rem;font:16px/1.4 system-ui,sans-serif;background:#17324d;color:#fff">
This is Locust's report of its live figures, rounded, pushes and requests alike. It knows nothing of lock waits, of the
ledger or of the verdict: those are in the report of the run directory, <code>{{ report }}</code>.</p>"""


class LocustPage:
    """What replaces or completes Locust's views; `add` puts it in place."""

    def __init__(self, web_ui: Any, control: RunControl) -> None:
        self._web_ui, self._control = web_ui, control
        self._views: dict[str, View] = web_ui.app.view_functions
        self._login = bool(web_ui.environment.parsed_options.web_login)

    def add(self) -> None:
        update = self._web_ui.update_template_args
        self._web_ui.update_template_args = lambda: self._update_template(update)
        self._views |= {"locust.swarm": self._swarm, "locust.stop": self._stop}
        self._views |= {"locust.reset_stats": _refuse, "locust.update_user": _refuse}
        for name, change in {
            "index": self._with_banner,
            "request_stats": self._with_state,
            "stats_report": self._with_note,
            "request_stats_csv": lambda table: _without_formulas(_without_unmeasured(table)),
            "failures_stats_csv": _without_formulas,
            "exceptions_csv": _without_formulas,
        }.items():
            self._complete(name, change)
        self._add_routes()

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
        fields["scenario"]["choices"] = self._control.scenarios
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
        banner = TEMPLATES.get_template("banner.html").render(
            status=self.status(), target=self._control.target, token=token(), header=TOKEN_HEADER, login=self._login
        )
        return _with_policy(response, text.replace("<body>", f"<body>{banner}", 1))

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
        return _with_policy(response, response.get_data(as_text=True).replace("<body>", f"<body>{banner}", 1))

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
            page.headers["Content-Security-Policy"] = f"{POLICY}; style-src 'unsafe-inline'"
            return page

        def status() -> Response:
            return jsonify(self.status())

        for path, view in {"/run": run, "/run/status": status}.items():
            blueprint.add_url_rule(path, view_func=view)
        base_path = getattr(self._web_ui.environment.parsed_options, "web_base_path", "")
        self._web_ui.app.register_blueprint(blueprint, url_prefix=base_path or None)


def _with_policy(response: Response, text: str) -> Response:
    """A page of Locust that runs its scripts and ours, and no other ones. Its own are found where its template has
    them: the program in the head, and the arguments after the root element."""
    nonce = secrets.token_urlsafe(16)
    head, body = text.split("</head>", 1)
    head = head.replace(_PROGRAM, f'{_PROGRAM} nonce="{nonce}"', 1)
    body = _SCRIPTS.sub(rf'\g<0> nonce="{nonce}"', body)
    response.set_data(f"{head}</head>{body}")
    response.headers["Content-Security-Policy"] = page_policy(nonce)
    return response


def _refuse() -> Response:
    return make_response("the scenario decides, and figures count from the start of the run: not available here", 409)


def _without_unmeasured(response: Response) -> Response:
    """A table without the columns that are not measured."""
    rows = _rows(response)
    left_out = [i for i, name in enumerate(rows[0]) if name == _NOT_MEASURED] if rows else []
    return _with_rows(response, [[cell for i, cell in enumerate(row) if i not in left_out] for row in rows])


def _without_formulas(response: Response) -> Response:
    """A table of texts that a target may have chosen: none is a formula to a spreadsheet."""
    return _with_rows(response, [list(map(text_cell, row)) for row in _rows(response)])


def _rows(response: Response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(response.get_data(as_text=True))))


def _with_rows(response: Response, rows: list[list[str]]) -> Response:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    response.set_data(text.getvalue())
    return response
