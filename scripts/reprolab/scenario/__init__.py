"""A scenario's definition: factors, variants, experiments, claims. Needs no Docker."""
