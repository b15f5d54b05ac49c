"""What panels are about and what people chose there: plain values that know no widget."""
