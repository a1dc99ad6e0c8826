"""What a scenario defines: factors, variants, experiments, claims. Reads files only."""
