"""Grading on Gradescope: an autograder zip for the staff to upload, and what runs there for each submission."""
