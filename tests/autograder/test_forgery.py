"""What a submission may say on its connection, and ask of the solution, and that nothing comes of it."""

import pytest
import torch

from qlab_helpers.checking.codec import encode
from qlab_helpers.checking.packing import pack

FORGE = """
import json, os, struct, torch
def say(header, body=b""):
    text = json.dumps(header).encode()
    os.write(3, struct.pack("<II", len(text), len(body)) + text + body)
"""

pytestmark = pytest.mark.parametrize("box", ["alone", "shared"], indirect=True)


def forging(box, code: str) -> tuple[str, ...]:
    """Cells with an honest function and ``forge``, which speaks to the other side itself."""
    body = "\n".join(f"    {line}" for line in code.splitlines())
    return FORGE, box.honest, f"def forge(x):\n{body}"


def encode_result(value: object) -> tuple[dict, dict]:
    node, tensors = encode(value)
    return {"result": node}, tensors


def test_result_larger_than_allowed_costs_its_case(box):
    source = box.honest + "\ndef large(x): return torch.zeros(5_000_000)"
    output = box.run(source, probes=(box.question("large"), box.question("double")))
    assert "too large" in output.items["large"][0].detail
    assert output.items["large"][0].reply == b""
    assert box.is_fine(output)


def test_reply_that_announces_gigabytes_is_not_read(box):
    code = "import struct\nos.write(3, struct.pack('<II', 2, 4_000_000_000) + b'{}')\nreturn 1"
    output = box.run(*forging(box, code), probes=(box.question("forge"), box.question("double")))
    assert output.items["forge"][0].outcome == "crashed" and "too large" in output.items["forge"][0].detail
    assert box.is_fine(output)


def test_garbage_on_every_descriptor_is_a_crash(box):
    code = """
for descriptor in range(3, 64):
    try: os.write(descriptor, b'\\xff' * 100)
    except OSError: pass
return 1
"""
    output = box.run(*forging(box, code), probes=(box.question("forge"), box.question("double")))
    assert output.items["forge"][0].outcome == "crashed"
    assert box.is_fine(output)


def test_answers_to_questions_not_yet_asked_are_not_accepted(box):
    code = "for number in (5, 6, 7): say({'reply': number, 'outcome': 'returned'})\nreturn 1"
    output = box.run(*forging(box, code), probes=(box.question("forge"), box.question("double")))
    assert output.items["forge"][0].outcome == "crashed"
    assert box.is_fine(output)


@pytest.mark.parametrize(
    "message",
    [
        "{'reply': [0], 'outcome': 'returned'}",
        "{'reply': 0, 'outcome': 'passed'}",
        "{'reply': 0, 'outcome': ['returned']}",
        "{'ask': ['double']}",
        "{'ask': None}",
        "{'reply': 0, 'outcome': 'raised', 'detail': {'a': 1}}",
        "{'reply': 0, 'outcome': 'raised', 'detail': chr(0xd800) * 100_000}",
        "{'answer': True}",
    ],
)
def test_forged_message_ends_in_an_outcome_of_its_own_case(box, message):
    output = box.run(*forging(box, f"say({message})\nreturn 1"), probes=(box.question("forge"), box.question("double")))
    assert output.items["forge"][0].outcome in ("crashed", "raised")
    output.items["forge"][0].detail.encode()  # can be written to a file
    assert len(output.items["forge"][0].detail) <= 4000
    assert box.is_fine(output)


@pytest.mark.parametrize("status", ["10 ** 4000", "{'a': 'b'}", "True", "0"])
def test_forged_end_of_a_process_is_never_a_result_of_another_question(box, status):
    code = f"""
import gc
known = [one["question"] for one in gc.get_objects() if type(one) is dict and type(one.get("question")) is str]
say({{"ended": {status}, "question": known[0]}})
return 1
"""
    output = box.run(*forging(box, code), probes=(box.question("forge"), box.question("double")))
    assert output.items["forge"][0].outcome == "crashed"
    assert output.items["double"][0].outcome == "crashed" or box.is_fine(output)
    assert box.is_fine(box.run(box.honest))


def test_thread_that_talks_on_the_connection_hurts_only_its_own_submission(box):
    talker = """
import threading
def talk():
    while True:
        try: say({"reply": 0, "outcome": "returned"})
        except OSError: return
threading.Thread(target=talk, daemon=True).start()
"""
    output = box.run(FORGE + talker, box.honest)
    assert output.items["double"][0].outcome != "not graded"
    assert box.is_fine(box.run(box.honest))


def test_early_reader_of_the_connection_gets_no_inputs(box):
    source = """
import select, socket
seen = len(socket.socket(fileno=os.dup(3)).recv(1000, socket.MSG_PEEK)) if select.select([3], [], [], 0.3)[0] else 0
"""
    output = box.run("import os\n" + source, box.honest, probes=(box.question("seen", kind="answer"),))
    assert box.value(output.items["seen"][0]) == 0


def test_questions_that_may_ask_the_solution_come_after_those_it_could_answer(box):
    """A function learns what the solution makes of any input; the function asked about must have been answered."""
    asked = []

    def oracle(name: str, body: bytes) -> bytes:
        asked.append(name)
        return pack(*encode_result(torch.full((2,), 7.0)))

    # ``user`` is checked first and stores what the solution says about ``used``, which would return it if it could.
    source = """
import os, torch
def user(x):
    torch.save(used(x), "/tmp/stolen")
    return x
def used(x): return torch.load("/tmp/stolen") if os.path.exists("/tmp/stolen") else x
"""
    probes = (box.question("user", uses=("used",)), box.question("used"))
    checks = {1: "user", 2: "used"}
    output = box.run(source, "check(user)", "check(used)", probes=probes, checks=checks, oracle=oracle, right=False)
    assert set(asked) == {"used"}
    assert box.value(output.items["used"][0]).tolist() == [1.0, 1.0]


def test_functions_that_use_each_other_are_all_asked(box):
    probes = (box.question("one", uses=("other",)), box.question("other", uses=("one",)))
    source = "def one(x): return 1\ndef other(x): return 2"
    output = box.run(source, probes=probes)
    assert [box.value(output.items[name][0]) for name in ("one", "other")] == [1, 2]


def test_oracle_answers_only_about_functions_that_may_be_used(box):
    code = "say({'ask': 'double'})\nreturn 1"
    probes = (box.question("forge", uses=("helper",)),)
    output = box.run(*forging(box, code), probes=probes, oracle=lambda name, body: pytest.fail("was asked"))
    assert output.items["forge"][0].outcome == "crashed"


def test_flood_of_replies_is_kept_only_up_to_a_share_of_the_limit(box):
    calls = [box.call(1, name=str(number)) for number in range(6)]
    source = box.honest + "\ndef flood(x): return torch.zeros(1 << 18)"  # 1 MiB each; the limit is 8, an item's share 2
    output = box.run(source, probes=(box.question("flood", *calls), box.question("double")))
    assert sum(len(one.reply) for one in output.items["flood"]) <= 2 << 20
    assert box.is_fine(output)


def test_patched_libraries_change_nothing_outside(box):
    source = """
import builtins, json, torch
class Equal:
    def __eq__(self, other): return True
torch.equal = torch.allclose = lambda *a, **k: True
builtins.all = lambda *a: True
def double(x): return Equal()
"""
    output = box.run(source)
    assert not isinstance(box.value(output.items["double"][0]), torch.Tensor)
    assert torch.equal(torch.ones(1), torch.zeros(1)) is False
