"""How a picture is moved: Adam and L-BFGS, whose state survives a change of picture size."""
