"""A Docker Engine in a small virtual machine, on a kernel that the distribution has."""
