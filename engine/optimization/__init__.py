"""How a picture is optimized: Adam and L-BFGS, whose state survives a change of picture size."""
