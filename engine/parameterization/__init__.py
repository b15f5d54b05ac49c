"""What is optimized, and how it grows: pixels, pyramids of scales, octaves."""
