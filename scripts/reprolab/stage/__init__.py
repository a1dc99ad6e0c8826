"""A case on a stage: text, a live screen, a control and the finding, in a terminal."""
