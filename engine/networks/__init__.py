"""The networks, the sources of their weights, and how to tap them."""
