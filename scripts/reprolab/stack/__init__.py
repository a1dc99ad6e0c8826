"""The containers of a scenario: the Compose model, its images, the running stack."""
