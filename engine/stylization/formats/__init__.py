"""Files of other programs that hold networks that paint, each kind read without running it."""
