"""What is optimized, and how it grows: pixels, scale pyramids, octaves."""
