"""The inside of a trained network: its filters, its activations, what its channels look for."""
