"""Combo boxes that do not widen for long entries."""

from PySide6.QtWidgets import QComboBox


def narrow(box: QComboBox, letters: int = 8) -> None:
    """Let a combo box be narrower than its longest entry, down to about this many letters."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(letters)
