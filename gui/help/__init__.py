"""The guide inside the window: its pages and where things stand in it; knows no widgets."""
