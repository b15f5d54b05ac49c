"""Views over the engine: they show it and steer it; no mathematics lives here."""
