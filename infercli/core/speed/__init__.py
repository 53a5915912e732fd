"""How long a step of the engine takes, and what its scheduler makes of a load. core/speed/throughput.py is the door.

work.py says what one GPU reads and computes in a step, steps.py how long that takes, schedule.py which steps a load
leads to. coefficients.py holds every constant, with what it was fitted on and the error that was measured.
"""
