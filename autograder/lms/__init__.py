"""To and from learning management systems: what Canvas, Moodle and Gradescope give, and what they take back."""
