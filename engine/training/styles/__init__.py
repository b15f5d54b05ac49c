"""The training of your own style networks: minutes or hours, from a painting, pausable and resumable."""
