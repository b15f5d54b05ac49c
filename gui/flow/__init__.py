"""How the parts of the window work together: one story per file, no painting, no mathematics."""
