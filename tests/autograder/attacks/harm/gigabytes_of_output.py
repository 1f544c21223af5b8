def scale_of(tensor, bitwidth):
    while True: print('x' * (1 << 22))
