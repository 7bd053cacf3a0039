"""The pages, one a module: each reads values of `publisher.operations`, and renders a template of its own name."""
