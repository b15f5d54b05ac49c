"""The same queue on many machines: jobs go to a Dask scheduler as bytes, pictures come back."""
