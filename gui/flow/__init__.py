"""How the parts of the window work together: one topic per file, no painting, no mathematics."""
