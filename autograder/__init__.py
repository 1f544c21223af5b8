"""What teaching assistants and instructors run: build, grade, report."""
