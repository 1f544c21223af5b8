"""nbgrader's settings: its folders and gradebook stand under course/, which git ignores; releases in notebooks/.

Everything comes from course.toml, so that nbgrader's own commands and ``qlab`` read and write the same files.
"""

from pathlib import Path

from autograder.course import load_course

course = load_course(Path(__file__).parent)
data = course.data.relative_to(course.root)  # nbgrader joins step folders to its root: they must be relative

c = get_config()
c.CourseDirectory.course_id = course.id
c.CourseDirectory.root = str(course.root)
c.CourseDirectory.source_directory = str(data / "source")
c.CourseDirectory.release_directory = "notebooks"
c.CourseDirectory.submitted_directory = str(data / "submitted")
c.CourseDirectory.autograded_directory = str(data / "autograded")
c.CourseDirectory.feedback_directory = str(data / "feedback")
c.CourseDirectory.solution_directory = str(data / "solution")
c.CourseDirectory.db_url = course.gradebook_url
c.Execute.timeout = int(course.limits.cell_s)  # seconds a cell, in stock nbgrader autograde
