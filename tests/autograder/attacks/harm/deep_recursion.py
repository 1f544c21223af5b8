import sys
sys.setrecursionlimit(10**9)
def scale_of(tensor, bitwidth): return scale_of(tensor, bitwidth)
