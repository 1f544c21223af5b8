"""Named cases of every graded function, one file a lab: inputs, tolerance, weight and what each tests."""
