"""The sub-commands `networks list`, `show`, `download`, `import`, `verify`, `remove`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cli.options import Parser
from cli.wording import program
from engine.networks import catalogue
from engine.networks.card import KNOWN, Card
from engine.networks.preparing import EXAMPLE, OTHER_NAMES
from engine.networks.style_cards import StyleCard, remove_style_network, style_card, style_cards
from engine.networks.weights import SHIPPED, user_folder

STATES = {
    "shipped": "shipped",
    "imported": "imported",
    "here": "here",
    "downloadable": "can be downloaded",
    "missing": "no weights",
}


def run(argv: list[str]) -> int:
    """Carry out `networks ARGV` and return the exit code.

    Raises `PareidoliaError`s, including usage errors, for the caller to show.
    """
    options = _parser().parse_args(argv)
    action: Callable[[argparse.Namespace], int] = options.action
    return action(options)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=f"{program()} networks", description="The catalogue of networks.")
    shared = Parser(add_help=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    shared.add_argument("--json", action="store_true", help="one line of JSON on standard output")

    def command(name: str, action: Callable[[argparse.Namespace], int], text: str) -> Parser:
        made = commands.add_parser(name, help=text, description=text, parents=[shared])
        made.set_defaults(action=action)
        return made

    added = command("list", _list, "name, title, state, size and licence of every network")
    added.add_argument("--here", action="store_true", help="only those that are ready to use")
    added = command("show", _show, "everything that is known about a network")
    added.add_argument("name", metavar="NAME")
    added.add_argument("--layers", action="store_true", help="also every layer, with output sizes")
    added = command("download", _download, "download a network's published weights")
    added.add_argument("names", metavar="NAME", nargs="+")
    text = "seconds without data before a connection counts as broken (default: 30)"
    added.add_argument("--timeout", type=_seconds, default=30.0, metavar="SECONDS", help=text)
    added.add_argument("--quiet", action="store_true", help="no progress bar")
    text = "import weights from a file, or a style network in a folder; they are copied"
    added = command("import", _import, text)
    added.add_argument("file", metavar="FILE", type=Path)
    added.add_argument("--name", help="name for the network (default: the file's name)")
    text = (
        "how pictures were prepared when the weights were trained (default: recognized from them)"
    )
    names = ", ".join([*sorted(KNOWN), *OTHER_NAMES])
    text += f": {names}, or spelled out, such as {EXAMPLE}"
    added.add_argument("--preprocessing", metavar="HOW", help=text)
    text = "which network the weights belong to, if that is not clear from them: a name from timm"
    added.add_argument("--architecture", metavar="NAME", default="", help=text)
    command("verify", _verify, "compare every weight file on this machine with its checksum")
    added = command("remove", _remove, "delete imported or downloaded weights")
    added.add_argument("name", metavar="NAME")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError("must be greater than 0")
    return seconds


def _list(options: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    for reason in catalogue.damaged().values():
        print(f"left out: {reason}", file=sys.stderr)
    for name in catalogue.names():
        state = catalogue.state(name)
        if options.here and state not in ("shipped", "imported", "here"):
            continue
        card = catalogue.card(name)
        rows.append(
            {
                "name": name,
                "title": card.title,
                "state": state,
                "bytes": _bytes(card),
                "licence": card.licence,
            }
        )
    styles = style_cards()
    if options.json:
        _print_json([*rows, *(_style_row(card) for card in styles)])
        return 0
    lines = [
        (r["name"], r["title"], STATES[r["state"]], _size(r["bytes"]), r["licence"]) for r in rows
    ]
    print(_table([("NAME", "TITLE", "STATE", "SIZE", "LICENCE"), *lines]))
    if styles:
        own = [(c.name, c.paints, _size(c.bytes), c.licence) for c in styles]
        print("\nStyle networks")
        print(_table([("NAME", "PAINTS", "SIZE", "LICENCE"), *own]))
    return 0


def _style_row(card: StyleCard) -> dict[str, Any]:
    """Return a style network as a row of the list: `kind` says that it is one."""
    state = "shipped" if card.path.parent == SHIPPED else "imported"
    return {
        "name": card.name,
        "title": f"Style network: {card.paints}",
        "state": state if card.path.parent in (SHIPPED, user_folder()) else "here",
        "bytes": card.bytes,
        "licence": card.licence,
        "kind": card.kind,
        "styles": list(card.styles),
    }


def _bytes(card: Card) -> int:
    """Return the size of the file that is here, or else of the one to download."""
    found = catalogue.located(card)
    return found.stat().st_size if found else card.bytes


def _show(options: argparse.Namespace) -> int:
    if (style := style_card(options.name)) is not None:
        return _show_style(style, options)
    card = catalogue.card(options.name)
    found = catalogue.located(card)
    if found:
        from engine.networks.loading import read

        _, card, _ = read(card.name)  # what this very file was trained with
    state = catalogue.state(card.name)
    facts: dict[str, Any] = card.to_dict() | {"state": state, "path": str(found) if found else ""}
    if options.layers:
        facts["all_layers"] = _all_layers(card)
    if options.json:
        _print_json(facts)
        return 0
    p = card.preprocessing
    rows = [
        ("name", card.name),
        ("title", card.title),
        ("state", STATES[state]),
        ("file", str(found) if found else card.file),
        ("size", _size(_bytes(card))),
        ("classes", str(len(card.classes) or "none" if found else "as the weights say")),
        ("input", f"{p.order}, (x * {p.scale:g} - {_numbers(p.mean)}) / {_numbers(p.std)}"),
        ("made for", _made_for(card)),
        ("layers", ", ".join(card.layers)),
        ("content", _weighted(card.content_layers)),
        ("style", _weighted(card.style_layers)),
        ("dream", _weighted(card.dream_layers)),
        ("licence", card.licence),
        ("credit", card.credit),
        ("address", card.url),
        ("checksum", card.sha256),
        ("notes", card.notes),
    ]
    print(_table([row for row in rows if row[1]]))
    for layer in facts.get("all_layers", []):
        shape = " x ".join(str(n) for n in layer["shape"])
        words = (layer["name"], layer["field_name"], layer["kind"], shape)
        print("  ".join(word for word in words if word))
    return 0


def _show_style(card: StyleCard, options: argparse.Namespace) -> int:
    if options.json:
        _print_json(card.to_dict())
        return 0
    rows = [
        ("name", card.name),
        ("paints", card.paints),
        ("styles", ", ".join(card.styles)),
        ("file", str(card.path)),
        ("size", _size(card.bytes)),
        ("licence", card.licence),
        ("notes", card.found),
    ]
    print(_table([row for row in rows if row[1]]))
    return 0


def _made_for(card: Card) -> str:
    words = f"{card.input_size} x {card.input_size} pixels"
    if card.crop:
        words += f", the middle {100 * card.crop:g} % of a picture"
    return words + (f", resized {card.interpolation}" if card.interpolation else "")


def _all_layers(card: Card) -> list[dict[str, Any]]:
    """Return every layer in order, for a picture of the size that the network was made for."""
    from engine.networks.building import build
    from engine.networks.foreign.by_name import is_foreign
    from engine.networks.loading import aliases, load_network
    from engine.networks.network import Network

    if is_foreign(card.architecture):
        network = load_network(card.name)
    else:
        module = build(card.architecture, len(card.classes) or 101, input_size=card.input_size)
        network = Network(module, card, card.classes, aliases(card.architecture))
    return [
        {
            "name": layer.name,
            "field_name": layer.field_name if layer.field_name != layer.name else "",
            "kind": layer.kind,
            "shape": [layer.channels, *(layer.size or ())],
        }
        for top in network.layers()
        for layer in top.flat()
    ]


def _download(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from engine.networks.download import download

    paths = {}
    for card in [catalogue.card(name) for name in options.names]:
        with tqdm(
            desc=card.name,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            file=sys.stderr,
            disable=options.quiet,
        ) as bar:

            def show(done: int, total: int, bar: "tqdm[Any]" = bar) -> None:
                bar.total = total or None
                bar.update(done - bar.n)

            paths[card.name] = str(download(card, show, options.timeout))
    if options.json:
        _print_json(paths)
    else:
        for name, path in paths.items():
            print(f"{name}: {path}")
    return 0


def _import(options: argparse.Namespace) -> int:
    from engine.networks.importing import import_file
    from engine.stylization.importing import import_style_network

    if not options.preprocessing and not options.architecture:
        style = import_style_network(options.file, options.name)
        if style is not None:
            if options.json:
                _print_json(style.to_dict())
            else:
                print(f"imported as {style.name}: {style.found}")
            return 0
    card = import_file(options.file, options.name, options.preprocessing, options.architecture)
    if options.json:
        _print_json(card.to_dict())
    else:
        print(f"imported as {card.name}: {card.title}, {card.notes}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from engine.networks.importing import verify

    results = verify()
    if options.json:
        _print_json([r._asdict() | {"path": str(r.path)} for r in results])
    else:
        lines = [(r.name, "ok" if r.ok else "WRONG", str(r.path), r.reason) for r in results]
        print(_table(lines) if lines else "no weights on this machine")
    return 0 if all(r.ok for r in results) else 1


def _remove(options: argparse.Namespace) -> int:
    from engine.networks.importing import remove

    removed = remove_style_network(options.name) or remove(options.name)
    files = [str(path) for path in removed]
    if options.json:
        _print_json({"removed": files})
    else:
        print("\n".join(f"removed {file}" for file in files))
    return 0


# -- text ------------------------------------------------------------------------------------------


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False))


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    rows = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    widths[-1] = 0
    padded = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in padded)


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count else ""


def _numbers(values: Iterable[float]) -> str:
    return "(" + ", ".join(f"{v:g}" for v in values) + ")"


def _weighted(layers: dict[str, float]) -> str:
    return ", ".join(name if w == 1 else f"{name}:{w:g}" for name, w in layers.items())
