"""Every fault of the reference pod in a run of its own: does the gate fail, and does it name the cause?"""
