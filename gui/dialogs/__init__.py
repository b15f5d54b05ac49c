"""Windows other than the main one: networks, commands, shortcuts, preferences, errors."""
