"""Measures cells on several engines: trials are tasks of dask.distributed, an optional extra of the lab."""
