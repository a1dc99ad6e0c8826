"""Starts the same server from another file than the application."""

import serving
import settings

if __name__ == "__main__":
    if settings.MARK:
        # Only the parent does this: in a spawned child __name__ is "__mp_main__".
        import main

        main.g_var = 1000
    serving.serve()
