"""What networks there are, where their weights come from, and how they are tapped."""
