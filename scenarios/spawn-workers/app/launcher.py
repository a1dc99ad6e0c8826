"""Starts the same server from a file that is not the application."""

import serving
import settings

if __name__ == "__main__":
    if settings.MARK:
        # In this process alone: a spawned child's copy of this file does not come here.
        import main

        main.g_var = 1000
    serving.serve()
