"""The picture: zoom, pan, before and after, overlays."""
