def scale_of(tensor, bitwidth):
    print("\x1b]0;attacker-was-here\x07\x1b[2J\x1b[31m")
    raise ValueError("\x1b[2J\x1b]8;;http://example.com\x07attacker-was-here\r\x9b31m")
