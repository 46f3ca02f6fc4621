"""Pages of other origins that attack a web UI from within the browser of its user."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

PAGE = b"<!doctype html><title>attacker</title><p id=page>An interesting article.</p>"

ATTACK = """
(async () => {
  const ui = %(ui)s, got = [];
  const note = (what, text) => got.push([what, String(text)]);
  const tried = async (what, url, options, again) => {
    try {
      const answer = await fetch(url, { credentials: "include", signal: AbortSignal.timeout(10000), ...options });
      note(what, answer.status + " " + await answer.text());
    } catch (error) {
      if (error.name === "TimeoutError" && !again) return tried(what, url, options, true);
      note(what, "error");
    }
  };
  const loaded = (what, element) => new Promise((resolve) => {
    element.onload = () => { note(what, "loaded " + (element.contentDocument?.body?.innerText ?? "")); resolve(); };
    element.onerror = () => { note(what, "error"); resolve(); };
    document.body.append(element);
  });
  for (const path of ["/", "/run", "/run/status", "/run/token", "/stats/requests", "/logs", "/login"]) {
    await Promise.all([
      tried("read " + path, ui + path, {}),
      tried("blind " + path, ui + path, { mode: "no-cors" }),
      tried("plain " + path, ui + path, { credentials: "omit" }),
    ]);
  }
  const form = new URLSearchParams({ scenario: "short", storage: "memory", i_own: "attacker.example" });
  for (const path of ["/swarm", "/stop", "/stats/reset", "/logout", "/login"]) {
    await Promise.all([
      tried("post " + path, ui + path, { method: "POST", body: form }),
      tried("blind post " + path, ui + path, { method: "POST", mode: "no-cors", body: form }),
      tried("plain post " + path, ui + path, { method: "POST", credentials: "omit", body: form }),
      tried("token " + path, ui + path, { method: "POST", body: form, headers: { "X-CSRF-Token": "x" } }),
    ]);
  }
  const made = (name, values) => Object.assign(document.createElement(name), values);
  const hidden = made("iframe", { name: "hidden" });
  await loaded("empty frame", hidden);
  const sent = made("form", { method: "post", action: ui + "/swarm", target: "hidden" });
  sent.innerHTML = "<input name=scenario value=short><input name=storage value=memory>";
  document.body.append(sent);
  const answered = new Promise((resolve) => { hidden.onload = resolve; });
  sent.submit();
  await Promise.race([answered, new Promise((resolve) => setTimeout(resolve, 10000))]);
  let shown = "nothing";
  try { shown = hidden.contentDocument.body.innerText; } catch { }
  note("form", shown);
  await loaded("frame", made("iframe", { src: ui + "/" }));
  await loaded("script", made("script", { src: ui + "/run/status" }));
  await loaded("image", made("img", { src: ui + "/assets/favicon-light.png" }));
  await loaded("style", made("link", { rel: "stylesheet", href: ui + "/run" }));
  const opened = (what, connection) => new Promise((resolve) => {
    connection.onopen = connection.onmessage = () => { note(what, "opened"); resolve(); };
    connection.onerror = () => { note(what, "error"); connection.close(); resolve(); };
  });
  await opened("socket", new WebSocket(ui.replace("http", "ws") + "/run/status"));
  await opened("events", new EventSource(ui + "/run/status", { withCredentials: true }));
  return got;
})()
"""
"""Evaluates to what the page could learn by each attack: (attack, status and text)."""


def attack_on(ui: str) -> str:
    return ATTACK % {"ui": json.dumps(ui)}


@contextmanager
def attacker(address: tuple[str, int], rebound_to: tuple[str, int]) -> Iterator[int]:
    """Serves the attacker's page at `/attack`; yields the port.

    All else goes to `rebound_to` unchanged, as after the name of this server got that address.
    """
    with socket.create_server(address) as listening:
        threading.Thread(target=_serve, args=(listening, rebound_to), daemon=True).start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


def _serve(listening: socket.socket, rebound_to: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_answer, args=(connection, rebound_to), daemon=True).start()


def _answer(connection: socket.socket, rebound_to: tuple[str, int]) -> None:
    with closing(connection), suppress(OSError):
        request = connection.recv(65536)
        if request.startswith(b"GET /attack "):
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            connection.sendall(head % len(PAGE) + PAGE)
            return
        with socket.create_connection(rebound_to) as onward:
            onward.sendall(request)
            threading.Thread(target=_copy, args=(connection, onward), daemon=True).start()
            _copy(onward, connection)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # a thread that reads from it would keep it open to the browser


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
