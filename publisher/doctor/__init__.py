"""`publisher doctor`: what is checked (`checks`), and the run of all checks (`examine`).

A check asks for facts (`health.py` of `storage` and `publisher.streams`), and `publisher.domain.diagnosis` judges them.
"""
