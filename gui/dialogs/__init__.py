"""Windows beside the main one: networks, commands, shortcuts, preferences, errors."""
