"""What the project imports when it is loaded; the lab writes another line into a copy of it."""
