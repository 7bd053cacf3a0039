"""The schema: brought up to date, compared with the models, and the rights to it."""
