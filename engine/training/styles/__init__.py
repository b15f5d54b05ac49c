"""Style networks of one's own: trained for minutes or hours from a painting, paused, gone on with."""
