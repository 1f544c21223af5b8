"""The report on a class: one page with its figures, plots and tables."""
