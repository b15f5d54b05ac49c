"""Every action and shortcut as one table: menus, command palette and shortcut sheet read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu


@dataclass(frozen=True)
class ActionSpec:
    """One action. An empty `name` is a separator."""

    menu: str
    name: str = ""
    text: str = ""
    shortcut: str = ""
    tip: str = ""
    checkable: bool = False


def _(text: str) -> str:
    """Mark a text for translation; it is translated when the menus are made."""
    return str(QT_TRANSLATE_NOOP("Actions", text))


FILE, EDIT, REGIONS, RUN, VIEW, NETWORK, HELP = (
    _("&File"), _("&Edit"), _("Re&gions"), _("&Run"), _("&View"), _("&Network"), _("&Help"),
)  # fmt: skip

TABLE = (
    ActionSpec(FILE, "new", _("&New"), "Ctrl+N", _("A new project")),
    ActionSpec(FILE, "open", _("&Open…"), "Ctrl+O",
         _("A project, or a picture that carries its recipe")),
    ActionSpec(FILE, "save", _("&Save"), "Ctrl+S", _("The project: settings, pictures and variants")),
    ActionSpec(FILE, "save_as", _("Save &as…"), "Ctrl+Shift+S", _("The project, in another file")),
    ActionSpec(FILE),
    ActionSpec(FILE, "open_content", _("Open &photo…"), "Ctrl+I", _("The picture to work on")),
    ActionSpec(FILE, "add_style", _("Add s&tyle…"), "Ctrl+Shift+O", _("A painting whose style to use")),
    ActionSpec(FILE),
    ActionSpec(FILE, "camera", _("&Camera…"), "Ctrl+Alt+K", _("Classes and maps follow it live")),
    ActionSpec(FILE, "play_film", _("Play &video file…"), "Ctrl+Alt+V", _("Instead of a camera")),
    ActionSpec(FILE, "freeze", _("Free&ze picture"), "Ctrl+Alt+F",
         _("Use the current frame of the camera or video as the photo")),
    ActionSpec(FILE, "stop_live", _("Stop camera or vi&deo"), "Ctrl+Alt+E"),
    ActionSpec(FILE),
    ActionSpec(FILE, "save_picture", _("Save p&icture…"), "Ctrl+E", _("The picture on the canvas")),
    ActionSpec(FILE, "export", _("&Export…"), "Ctrl+Shift+E",
         _("The picture in any format, beside its photo, or a film of how it came about")),
    ActionSpec(FILE, "save_figure", _("Save &figure…"), "", _("The result with captions and details")),
    ActionSpec(FILE, "save_overlay", _("Save map over p&hoto…"), "",
         _("The map laid over the photo in grey, at the photo's full size")),
    ActionSpec(FILE, "save_film", _("Save fil&m…"), "", _("The frames of a run that makes a film")),
    ActionSpec(FILE),
    ActionSpec(FILE, "preferences", _("Pre&ferences…"), "Ctrl+,"),
    ActionSpec(FILE, "quit", _("&Quit"), "Ctrl+Q"),
    ActionSpec(EDIT, "undo", _("&Undo"), "Ctrl+Z"),
    ActionSpec(EDIT, "redo", _("&Redo"), "Ctrl+Shift+Z"),
    ActionSpec(EDIT),
    ActionSpec(EDIT, "copy", _("&Copy picture"), "Ctrl+C"),
    ActionSpec(EDIT, "paste", _("&Paste picture"), "Ctrl+V", _("As the photo to work on")),
    ActionSpec(EDIT),
    ActionSpec(EDIT, "reset_settings", _("Reset all &settings"), "", _("Back to the defaults")),
    ActionSpec(EDIT, "save_preset", _("Save as preset…")),
    ActionSpec(EDIT, "rename_preset", _("Rename preset…")),
    ActionSpec(EDIT, "delete_preset", _("Delete preset…")),
    ActionSpec(EDIT, "share_preset", _("Save preset to a file…"), "", _("To share it")),
    ActionSpec(EDIT, "import_preset", _("Import preset…"), "", _("From a file that was shared")),
    ActionSpec(REGIONS, "add_region", _("&Add region"), "Ctrl+Shift+G",
         _("A part of the photo with a style of its own, or none")),
    ActionSpec(REGIONS, "mask_brush", _("Mask &brush"), "B",
         _("Paint the chosen region on the photo; press Escape to stop"), checkable=True),
    ActionSpec(REGIONS, "show_masks", _("&Show masks"), "Ctrl+Alt+M",
         _("The regions in their colours, over the photo"), checkable=True),
    ActionSpec(REGIONS),
    ActionSpec(REGIONS, "brush_smaller", _("S&maller brush"), "[", _("Or turn the wheel with Shift")),
    ActionSpec(REGIONS, "brush_larger", _("&Larger brush"), "]", _("Or turn the wheel with Shift")),
    ActionSpec(REGIONS, "brush_softer", _("Softe&r brush"), "Shift+["),
    ActionSpec(REGIONS, "brush_harder", _("Har&der brush"), "Shift+]"),
    ActionSpec(REGIONS, "brush_erase", _("&Erase or paint"), "X", _("Or hold Alt to erase")),
    ActionSpec(REGIONS),
    ActionSpec(REGIONS, "mask_fill", _("&Fill mask"), "Shift+F", _("All of the photo is inside")),
    ActionSpec(REGIONS, "mask_clear", _("&Clear mask"), "Shift+C", _("Nothing is inside")),
    ActionSpec(REGIONS, "mask_invert", _("&Invert mask"), "Shift+I",
         _("Inside and outside are exchanged")),
    ActionSpec(REGIONS, "mask_feather", _("Feat&her mask"), "Shift+E",
         _("Soften its border, as much as the last time; the brush's bar has other widths")),
    ActionSpec(REGIONS),
    ActionSpec(REGIONS, "mask_from_picture", _("Mask from a &picture…"), "",
         _("White is inside, black is outside")),
    ActionSpec(REGIONS, "mask_from_alpha", _("Mask from &transparency"), "",
         _("What is opaque in the photo is inside")),
    ActionSpec(REGIONS, "mask_from_cut_out", _("Mask from the cut-out &object…"), "",
         _("What the network takes for the object is inside")),
    ActionSpec(REGIONS, "mask_from_grad_cam", _("Mask from &Grad-CAM…"), "",
         _("What speaks for the class is inside")),
    ActionSpec(RUN, "run", _("&Run"), "F5"),
    ActionSpec(RUN, "continue", _("&Continue"), "Shift+F5",
         _("Continue the stopped run where it left off")),
    ActionSpec(RUN, "pause", _("&Pause or resume"), "F6"),
    ActionSpec(RUN, "step", _("S&tep"), "F7", _("One iteration")),
    ActionSpec(RUN, "stop", _("&Stop"), "F8", _("Stop after the current iteration and keep the picture")),
    ActionSpec(RUN, "follow", _("Update &automatically"), "",
         _("Stylization in one pass follows every change without Run; style transfer is previewed"),
         checkable=True),
    ActionSpec(RUN),
    ActionSpec(RUN, "queue_job", _("Add to &queue"), "Ctrl+F5",
         _("The current job, to be run when no other run is active")),
    ActionSpec(RUN, "queue_photos", _("Add p&hotos to queue…"), "",
         _("All photos in a folder, each with every style you choose")),
    ActionSpec(RUN),
    ActionSpec(RUN, "branch", _("Use picture as &start"), "Ctrl+B",
         _("The next run starts from this picture, as a variant of it")),
    ActionSpec(RUN, "larger", _("Same picture, &larger…"), "Ctrl+L",
         _("Make the result on the canvas again, larger")),
    ActionSpec(RUN, "refine", _("Refine by &optimization"), "Ctrl+Shift+R",
         _("Style transfer that starts from this stylization in one pass")),
    ActionSpec(RUN, "speed_figure", _("Compare &with optimization…"), "",
         _("How long optimization takes to get as far as this one pass: a figure, in a minute")),
    ActionSpec(VIEW, "fit", _("&Fit"), "Ctrl+0"),
    ActionSpec(VIEW, "actual_size", _("&100 %"), "Ctrl+1", _("One picture pixel per screen pixel")),
    ActionSpec(VIEW, "zoom_in", _("Zoom &in"), "Ctrl++"),
    ActionSpec(VIEW, "zoom_out", _("Zoom &out"), "Ctrl+-"),
    ActionSpec(VIEW),
    ActionSpec(VIEW, "compare", _("&Before and after"), "Ctrl+D", "", checkable=True),
    ActionSpec(VIEW, "original", _("Show the &original (hold)"), "Alt+O", "", checkable=True),
    ActionSpec(VIEW, "show_figure", _("Sho&w figure"), "Ctrl+Shift+F",
         _("The result with captions and details, in its own window")),
    ActionSpec(VIEW, "saliency", _("&Saliency map"), "Ctrl+Alt+S", "", checkable=True),
    ActionSpec(VIEW, "grad_cam", _("&Grad-CAM"), "Ctrl+Alt+G", "", checkable=True),
    ActionSpec(VIEW, "compare_methods", _("Compare &methods…"), "Ctrl+M",
         _("All attribution methods side by side")),
    ActionSpec(VIEW, "receptive_field", _("&Receptive field"), "Ctrl+Alt+R",
         _("The part of the picture that the unit under the pointer sees"), checkable=True),
    ActionSpec(VIEW, "occluder", _("O&ccluder"), "Ctrl+Alt+C",
         _("Drag a square over the picture and watch the classes change"), checkable=True),
    ActionSpec(VIEW, "cut_out", _("Cut out the ob&ject…"), "Ctrl+Alt+X",
         _("Cut out what the saliency map marks")),
    ActionSpec(VIEW),
    ActionSpec(VIEW, "add_lesson_step", _("Add lesson s&tep"), "Shift+F9",
         _("The picture and the maps as they are now")),
    ActionSpec(VIEW, "play_lesson", _("Pla&y lesson"), "F9", _("Full screen; press Escape to leave")),
    ActionSpec(VIEW),
    ActionSpec(VIEW, "full_screen", _("F&ull screen"), "F11",
         _("Show only the picture; press Escape to leave"), checkable=True),
    ActionSpec(VIEW, "presentation", _("Large te&xt"), "Ctrl+Alt+P",
         _("Text that can be read from the back row"), checkable=True),
    ActionSpec(VIEW, "reset_layout", _("Reset &layout")),
    ActionSpec(NETWORK, "networks", _("&Networks…"), "Ctrl+Shift+N",
         _("Choose, download, import or remove networks")),
    ActionSpec(NETWORK, "train_style", _("&Train a style network…"), "",
         _("A network that paints in the style of your paintings, in one pass")),
    ActionSpec(NETWORK, "find_layer", _("&Find layer"), "Ctrl+F"),
    ActionSpec(NETWORK, "reset_layers", _("Use suggested &layers"), "",
         _("Use the network's suggested layers instead of your own")),
    ActionSpec(HELP, "explain", _("&Explain this"), "F1",
         _("What the guide says about the setting, method or panel under the cursor")),
    ActionSpec(HELP, "guide", _("&Guide"), "", _("How everything works, with pictures")),
    ActionSpec(HELP),
    ActionSpec(HELP, "palette", _("&Commands…"), "Ctrl+Shift+P"),
    ActionSpec(HELP, "shortcuts", _("&Shortcuts"), "Ctrl+F1"),
    ActionSpec(HELP, "about", _("&About Pareidolia")),
)  # fmt: skip


def translated(text: str) -> str:
    """Return a text of the table in the user's language."""
    return QCoreApplication.translate("Actions", text)


def plain(text: str) -> str:
    """Return an action's text without the ampersand that marks its menu key."""
    return text.replace("&", "").removesuffix("…")


class Actions:
    """The table's actions for one window, by name."""

    def __init__(self, window: QMainWindow, handlers: Mapping[str, Callable[..., object]]) -> None:
        """Make actions and menus. `handlers` must name every action of the table."""
        self.by_name: dict[str, QAction] = {}
        self.menus: dict[str, QMenu] = {}
        for spec in TABLE:
            menu = self.menus.get(spec.menu)
            if menu is None:
                menu = self.menus[spec.menu] = window.menuBar().addMenu(translated(spec.menu))
                menu.setToolTipsVisible(True)
            if not spec.name:
                menu.addSeparator()
                continue
            action = QAction(translated(spec.text), window)
            action.setObjectName(f"action_{spec.name}")
            action.setCheckable(spec.checkable)
            if spec.shortcut:
                action.setShortcut(QKeySequence(spec.shortcut))
            if spec.tip:
                action.setToolTip(translated(spec.tip))
                action.setStatusTip(translated(spec.tip))
            signal = action.toggled if spec.checkable else action.triggered
            signal.connect(handlers[spec.name])
            menu.addAction(action)
            window.addAction(action)
            self.by_name[spec.name] = action

    def __getitem__(self, name: str) -> QAction:
        """Return an action."""
        return self.by_name[name]
