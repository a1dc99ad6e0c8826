"""Official base images: present, pulled, or built on this host."""
