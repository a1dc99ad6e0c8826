"""Measures single cells: one experiment with chosen factors, on trials that are kept and counted again."""
