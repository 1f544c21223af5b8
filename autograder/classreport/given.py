"""The code that every student has or may have: the cells of the released notebook, and those of the solved one."""

import nbformat

from autograder.course import Course, CourseError
from autograder.notebooks import solved_notebook


def given_code(course: Course, lab: str) -> tuple[str, ...]:
    """Without the solution where its source cannot be read: somebody may be editing it while a class is graded."""
    notebooks = [nbformat.read(course.release(lab), as_version=4)]
    try:
        notebooks.append(solved_notebook(course, lab))
    except CourseError:
        pass
    cells = [cell for notebook in notebooks for cell in notebook.cells if cell.cell_type == "code"]
    return tuple(dict.fromkeys(cell.source for cell in cells))
