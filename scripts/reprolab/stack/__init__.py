"""A scenario's containers: the Compose model, its images, the running stack."""
