"""The site: all scenarios, claims, stories and reports as static pages that need no network."""
