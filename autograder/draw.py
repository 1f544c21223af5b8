"""Which version of each hidden case a student gets: the same at every regrade, unknown without the course's secret."""

import hashlib
import hmac
import json
from collections.abc import Mapping

from autograder.materials import Materials

Draws = Mapping[str, Mapping[str, int]]  # item -> case -> number of the variant


def draw_cases(materials: Materials, student: str) -> Draws:
    """Every case of every item; a case without variants is the same for everyone."""

    def draw() -> Draws:
        return {
            name: {
                one.case.name: _draw(materials.secret, student, name, one.case.name, len(one.messages)) for one in cases
            }
            for name, cases in materials.cases.items()
        }

    return materials.remembered.recall(("draws", student), draw, size=lambda draws: 100 * sum(map(len, draws.values())))


def draw_id(draws: Draws) -> str:
    """Identifies a draw. It is made of the choices alone, so that it says nothing about the secret."""
    return hashlib.sha256(json.dumps(draws, sort_keys=True).encode()).hexdigest()[:16]


def _draw(secret: bytes, student: str, grade_id: str, case: str, variants: int) -> int:
    """One key a student and grade id; the case's name is hashed on top, so that a new case moves no other."""
    key = hmac.digest(secret, f"{student}\0{grade_id}".encode(), "sha256")
    return int.from_bytes(hmac.digest(key, case.encode(), "sha256")[:8], "big") % variants
