"""A lesson as one self-contained HTML page: no connection, program or folder needed.

What is shown is the part of the address behind "#": `#step-2` is the second step, and
`#step-2-revealed` the same with its hidden figures. So the browser's back button, a reload and a
link to one step just work. Without scripts, and on paper, all steps follow one another.
"""

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from pathlib import Path

from engine.errors import BadInput
from engine.files import replacing
from engine.lesson import Lesson, Step, check, media_type

PROMPT = "What will the network look at?"

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1b1f; --faint: #55565e;
  --line: #c9cad3; --accent: #1f4fbf; --on-accent: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --back: #15161a; --text: #f0f0f4; --faint: #b3b5c1; --line: #43454f;
    --accent: #9db9ff; --on-accent: #10131c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: clamp(1rem, 0.7rem + 0.8vw, 1.6rem)/1.4 system-ui, sans-serif; }
h1, h2, p, figure { margin: 0; }
h1 { font-size: 2.4em; line-height: 1.15; }
h2 { font-size: 1.6em; line-height: 1.2; }
h1, h2, .text, figcaption { overflow-wrap: anywhere; }
h1:focus, h2:focus { outline: none; }
.screen { padding: 1.2em 1.6em; border-bottom: 1px solid var(--line);
  display: flex; flex-direction: column; gap: 0.7em; }
.pictures { display: flex; flex-wrap: wrap; gap: 1em; }
figure { flex: 1 1 16em; min-width: 0; display: flex; flex-direction: column; gap: 0.4em; }
img { display: block; width: 100%; min-height: 0; max-height: 80vh; object-fit: contain; }
figcaption { color: var(--faint); font-size: 0.85em; text-align: center; }
.text { white-space: pre-line; max-width: 60em; }
.faint { color: var(--faint); }
button { font: inherit; min-width: 44px; min-height: 44px; padding: 0.3em 1em; cursor: pointer;
  border: 1px solid var(--accent); border-radius: 0.4em; background: none; color: var(--accent); }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
button:disabled { opacity: 0.4; cursor: default; }
.ask { display: flex; flex-wrap: wrap; align-items: center; gap: 0.4em 1em; }
.ask button { background: var(--accent); color: var(--on-accent); }
.ask, nav { display: none; }
@media screen {
  .scripted .screen { display: none; border: none; }
  .scripted .current { display: flex; min-height: calc(100vh - 4.2em);
    min-height: calc(100dvh - 4.2em); }
  .scripted .title { justify-content: center; align-items: center; text-align: center; }
  .scripted .secret .ask { display: flex; }
  .scripted .secret figure + figure { display: none; }
  .scripted nav { display: flex; position: sticky; bottom: 0; height: 4.2em; gap: 0.8em;
    align-items: center; justify-content: center; background: var(--back);
    border-top: 1px solid var(--line); }
  .scripted nav span { min-width: 5em; text-align: center; color: var(--faint); }
}
@media screen and (min-width: 40em) and (min-height: 24em) {
  .scripted .current { height: calc(100vh - 4.2em); height: calc(100dvh - 4.2em); }
  .scripted .pictures { flex: 1 1 0; min-height: 0; }
  .scripted .grid-1 { display: grid; grid-template: minmax(0, 1fr) / minmax(0, 1fr); }
  .scripted .grid-2, .scripted .grid-3 { display: grid; grid-auto-rows: minmax(0, 1fr);
    grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); }
  .scripted .grid-2 { --columns: 2; }
  .scripted .grid-3 { --columns: 3; }
  .scripted .many { --columns: 4; }
  .scripted .secret .pictures { --columns: 1; }
  .scripted figure { min-height: 0; }
  .scripted img { flex: 1 1 0; max-height: none; object-position: center bottom; }
  .scripted .grid-1 img { object-position: center; }
  .scripted figcaption { flex: none; min-height: 2.8em; }
  .scripted .text { flex: none; max-height: 30vh; overflow: auto; }
}
@media print {
  body { font-size: 11pt; background: #fff; color: #000; }
  figcaption, .faint { color: #333; }
  .screen { break-inside: avoid; padding: 0.6em 0; }
  .title { break-after: page; }
  .hint { display: none; }
  .pictures { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .grid-1 { grid-template-columns: minmax(0, 1fr); }
  .grid-2 { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  img { max-height: 14cm; }
  .grid-2 img, .grid-3 img { max-height: 8cm; }
}
"""

_SCRIPT = """
"use strict";
(function () {
  const root = document.documentElement;
  const screens = Array.from(document.querySelectorAll(".screen"));
  const back = document.getElementById("back");
  const next = document.getElementById("next");
  const place = document.getElementById("place");
  let at = 0;

  function read() {
    const found = /^#step-([0-9]+)(-revealed)?$/.exec(location.hash);
    const wanted = found ? Number(found[1]) : 0;
    return { at: Math.min(wanted, screens.length - 1), revealed: Boolean(found && found[2]) };
  }

  function show() {
    const moved = read();
    const other = moved.at !== at;
    at = moved.at;
    screens.forEach(function (screen, index) {
      screen.classList.toggle("current", index === at);
      const secret = screen.hasAttribute("data-hidden") && !(index === at && moved.revealed);
      screen.classList.toggle("secret", secret);
    });
    back.disabled = at === 0;
    next.disabled = at === screens.length - 1;
    place.textContent = at + " / " + (screens.length - 1);
    if (other) {
      window.scrollTo(0, 0);
      screens[at].querySelector("h1, h2").focus({ preventScroll: true });
    }
  }

  function go(index) {
    if (index >= 0 && index < screens.length && index !== at) {
      location.hash = index === 0 ? "#title" : "#step-" + index;
    }
  }

  function reveal() {
    if (screens[at].classList.contains("secret")) {
      location.hash = "#step-" + at + "-revealed";
      screens[at].querySelector("h2").focus({ preventScroll: true });
    }
  }

  document.addEventListener("keydown", function (event) {
    if (event.altKey || event.ctrlKey || event.metaKey) { return; }
    const pressed = event.target instanceof Element && event.target.closest("button");
    if (pressed && (event.key === " " || event.key === "Enter")) { return; }
    const last = screens.length - 1;
    const acts = {
      "ArrowRight": function () { go(at + 1); }, "PageDown": function () { go(at + 1); },
      " ": function () { go(event.shiftKey ? at - 1 : at + 1); },
      "ArrowLeft": function () { go(at - 1); }, "PageUp": function () { go(at - 1); },
      "Home": function () { go(0); }, "End": function () { go(last); },
      "r": reveal, "R": reveal, "Enter": reveal
    };
    if (Object.prototype.hasOwnProperty.call(acts, event.key)) {
      event.preventDefault();
      acts[event.key]();
    }
  });
  document.addEventListener("click", function (event) {
    const button = event.target.closest("button");
    if (button && button.classList.contains("reveal")) { reveal(); }
    else if (button === back) { go(at - 1); }
    else if (button === next) { go(at + 1); }
    else if (!event.target.closest("nav") && String(window.getSelection()) === "") { go(at + 1); }
  });
  window.addEventListener("hashchange", show);
  root.classList.add("scripted");
  show();
}());
"""


def export_html(lesson: Lesson, path: str | Path) -> Path:
    """Write a lesson as one page, whole or not at all; return its path.

    The page does not tell where the pictures came from: a step's state is left out.

    Raises:
        BadInput: the lesson has no step or holds something that no lesson can, or nothing can be
            written there.
    """
    path = Path(path)
    if not lesson.steps:
        raise BadInput("the lesson has no steps yet: add one before it is exported.")
    check(lesson)
    with replacing(path) as file:
        for part in page(lesson):
            file.write(part.encode())
    return path


def page(lesson: Lesson) -> Iterator[str]:
    """Yield the parts of the page: pictures can make it large."""
    title = lesson.title.strip() or "Lesson"
    count = len(lesson.steps)
    # Only the script written here may run: text that slipped through the escaping would still be
    # text.
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(_STYLE)}';"
        f" script-src '{_digest(_SCRIPT)}'; base-uri 'none'; form-action 'none'"
    )
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="Pareidolia">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        '<section class="screen title" aria-labelledby="heading-0">\n'
        f'<h1 id="heading-0" tabindex="-1" dir="auto">{escape(title)}</h1>\n'
        f'<p class="faint">{count} {"step" if count == 1 else "steps"}</p>\n'
        '<p class="faint hint">Arrow keys, space or a click move on.</p>\n</section>\n'
    )
    for number, step in enumerate(lesson.steps, 1):
        yield from _screen(number, step)
    yield (
        '</main>\n<nav aria-label="Steps">\n<button id="back" type="button">Back</button>\n'
        '<span id="place" aria-live="polite"></span>\n'
        '<button id="next" type="button">Next</button>\n</nav>\n'
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _screen(number: int, step: Step) -> Iterator[str]:
    title = step.title.strip() or f"Step {number}"
    secret = step.hidden and bool(step.figures)
    total = 1 + len(step.figures)
    columns = total if total <= 3 else 2 if total == 4 else 3
    kind = f"grid-{columns}" + (" many" if total > 6 else "")
    yield (
        f'<section class="screen" id="step-{number}" aria-labelledby="heading-{number}"'
        f"{' data-hidden' if secret else ''}>\n"
        f'<h2 id="heading-{number}" tabindex="-1" dir="auto">{escape(title)}</h2>\n'
        f'<div class="pictures {kind}">\n'
    )
    caption = "The picture" if step.figures else ""
    yield _figure(step.picture, f"The picture of step {number}, {title}", caption)
    for figure in step.figures:
        words = figure.caption.strip()
        yield _figure(figure.picture, words or f"A map over the picture of step {number}", words)
    yield "</div>\n"
    if secret:
        yield (
            f'<p class="ask"><span>{PROMPT}</span>'
            ' <button class="reveal" type="button">Reveal (R)</button></p>\n'
        )
    if step.text.strip():
        yield f'<p class="text" dir="auto">{escape(step.text.strip())}</p>\n'
    yield "</section>\n"


def _figure(picture: bytes, alternative: str, caption: str) -> str:
    data = base64.b64encode(picture).decode("ascii")
    under = f'<figcaption dir="auto">{escape(caption)}</figcaption>' if caption else ""
    return (
        f'<figure><img alt="{escape(alternative)}"'
        f' src="data:{media_type(picture)};base64,{data}">{under}</figure>\n'
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
