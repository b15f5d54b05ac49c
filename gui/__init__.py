"""The window: it shows and steers the engine; no mathematics lives here."""
