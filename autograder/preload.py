"""What the processes of a class need, imported once, in the one from which they are forked."""

from autograder.garbage import no_garbage

with no_garbage():
    import matplotlib.pyplot  # noqa: F401  (by the labs)

    import autograder.bench  # noqa: F401
