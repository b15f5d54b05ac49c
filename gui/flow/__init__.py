"""How the parts of the window work together: one topic per file, with no painting and no mathematics."""
