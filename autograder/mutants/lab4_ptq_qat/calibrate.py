"""Implementations of ``calibrate``."""

from autograder.bank import Bank, right, wrong

LOOP = "for _, (images, _) in zip(range(num_batches), loader, strict=False):"
SHOW = "model(images.to(device))"

CALIBRATE = Bank(
    "calibrate",
    misconceptions=(
        wrong(
            "all batches",
            "Your function shows the whole loader; stop after num_batches.",
            (LOOP, "for images, _ in loader:"),
        ),
        wrong(
            "one too many",
            "Your function shows one batch too many; count from 0, or stop before the next is shown.",
            ("range(num_batches)", "range(num_batches + 1)"),
        ),
        wrong(
            "one too few",
            "Your function shows one batch too few.",
            ("range(num_batches)", "range(num_batches - 1)"),
        ),
        wrong(
            "ten always",
            "Your function shows ten batches whatever is asked for; the number is num_batches.",
            ("range(num_batches)", "range(10)"),
        ),
        wrong(
            "first batch again and again",
            "Your function shows the first batch again and again; go on with the loader.",
            (LOOP, "for _ in range(min(num_batches, len(loader))):\n            images, _ = next(iter(loader))"),
        ),
        wrong(
            "stops with an error at the end",
            "Your function asks for more batches than the loader has; let the loop end with the loader.",
            ("    with torch.no_grad():\n", "    batches = iter(loader)\n    with torch.no_grad():\n"),
            (LOOP, "for _ in range(num_batches):\n            images, _ = next(batches)"),
        ),
        wrong(
            "mode left as it is",
            "Your function leaves the model in its mode; in training mode its norms learn, so call eval().",
            ("    model.eval()\n", ""),
        ),
        wrong(
            "training mode",
            "Your function puts the model into training mode, where its norms learn from the images; calibrate in "
            "evaluation mode.",
            ("model.eval()", "model.train()"),
        ),
        wrong(
            "training mode at the end",
            "Your function puts the model into training mode at its end; leave it in evaluation mode.",
            (f"            {SHOW}\n", f"            {SHOW}\n    model.train()\n"),
        ),
        wrong(
            "gradients kept",
            "Your function keeps gradients of every pass, which costs memory for nothing; use torch.no_grad().",
            ("with torch.no_grad():", "if True:"),
        ),
        wrong(
            "images and labels together",
            "Your function gives the model the pair of images and labels; take the images out of it.",
            ("(images, _) in zip", "images in zip"),
            (SHOW, "model(images)"),
        ),
    ),
    alternatives=(
        right(
            "counted",
            """
            @torch.no_grad()
            def calibrate(model, loader, num_batches=10):
                model.eval()
                for index, (images, labels) in enumerate(loader):
                    if index >= num_batches:
                        break
                    model(images.to(next(model.parameters()).device))
            """,
        ),
        right(
            "islice",
            """
            def calibrate(model, loader, num_batches=10):
                from itertools import islice

                model = model.eval()
                with torch.inference_mode():
                    for batch in islice(loader, num_batches):
                        model(batch[0])
            """,
        ),
        right(
            "counted down",
            """
            def calibrate(model, loader, num_batches=10):
                model.train(False)
                left = num_batches
                for images, _ in loader:
                    if left == 0:
                        return
                    left -= 1
                    with torch.no_grad():
                        model(images)
            """,
        ),
        right(
            "stops after the last",
            """
            def calibrate(model, loader, num_batches=10):
                was_enabled = torch.is_grad_enabled()
                torch.set_grad_enabled(False)
                model.eval()
                for number, (images, _) in enumerate(loader, start=1):
                    model(images)
                    if number == num_batches:
                        break
                torch.set_grad_enabled(was_enabled)
            """,
        ),
    ),
    equivalent={
        "3: device = next(model.parameters()).device -> pass": "the notebook's own device is the same CPU",
        "5: , strict=False -> nothing": "that is how zip does it anyway",
        "6: .to(device) -> nothing": "on a CPU nothing has to move",
    },
)
