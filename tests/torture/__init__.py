"""Deaths of every kind, each followed by a resume; what was lost is counted: `python -m tests.torture`.

lab.py          the fleet that is swept, its truth, and the scope file
verify.py       an independent reader of a run directory; imports nothing of ours
trial.py        one run through its deaths to its end, and what is asked of it after each
kills.py        SIGKILL of a real `mongosweep sweep` at random instants
boundaries.py   the process ends at every call to the file layer: before it, after it, in it
power.py        a real sweep whose file system loses power
shutdown.py     a real sweep on an ext4 that is shut down under it
story.py        the rules of a sweep without a network: thousands of deaths a minute
mutants.py      broken sweeps, each of which must be caught
"""
