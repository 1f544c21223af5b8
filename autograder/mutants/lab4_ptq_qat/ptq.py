"""Implementations of ``ptq``."""

from autograder.bank import Bank, right, wrong

COPY = "model = copy.deepcopy(model).cpu().eval()"
FUSE = "    model.fuse_model()\n"
SHOW = "    show_images(prepared)\n"
ANSWER = "return tq.convert(prepared)"

PTQ = Bank(
    "ptq",
    misconceptions=(
        wrong(
            "works on the model given",
            "Your function fuses the model that it was given, which is needed again; work on a copy.",
            (COPY, "model = model.cpu().eval()"),
        ),
        wrong(
            "mode of the model given",
            "Your function puts the model that it was given into evaluation mode; do that with the copy.",
            (COPY, "model = copy.deepcopy(model.eval()).cpu()"),
        ),
        wrong(
            "mode left as it is",
            "Your function fuses in the mode that it finds; PTQ wants evaluation mode.",
            (COPY, "model = copy.deepcopy(model).cpu()"),
        ),
        wrong(
            "training mode",
            "Your function fuses in training mode, which PyTorch refuses; PTQ wants evaluation mode.",
            (COPY, "model = copy.deepcopy(model).cpu().train()"),
        ),
        wrong(
            "not fused",
            "Your function does not fuse, so that norms and ReLUs are layers of their own.",
            (FUSE, ""),
        ),
        wrong(
            "fused for training",
            "Your function fuses for training, which leaves the norms inside; for PTQ leave out is_qat.",
            (FUSE, "    model.fuse_model(is_qat=True)\n"),
        ),
        wrong(
            "prepared copy dropped",
            "Your function drops what tq.prepare returns: that copy has the observers, the model itself has none.",
            ("prepared = tq.prepare(model, qconfig)", "prepared = model\n    tq.prepare(model, qconfig)"),
        ),
        wrong(
            "nothing shown",
            "Your function shows no images, so that all scales of activations are 1.",
            (SHOW, ""),
        ),
        wrong(
            "float model shown",
            "Your function shows images to the model without observers; show them to the prepared one.",
            ("show_images(prepared)", "show_images(model)"),
        ),
        wrong(
            "converted before images are shown",
            "Your function converts first, and shows images then; scales are taken when it converts.",
            (SHOW, "    converted = tq.convert(prepared)\n" + SHOW),
            (ANSWER, "return converted"),
        ),
        wrong(
            "shown twice",
            "Your function shows the images twice; once is enough.",
            (SHOW, SHOW + SHOW),
        ),
        wrong(
            "not converted",
            "Your function returns the prepared model, which still computes in floats; convert it.",
            (ANSWER, "return prepared"),
        ),
    ),
    alternatives=(
        right(
            "step by step",
            """
            def ptq(model, qconfig, show_images):
                quantized = copy.deepcopy(model)
                quantized.eval()
                quantized.to("cpu")
                quantized.fuse_model(is_qat=False)
                quantized = tq.prepare(quantized, qconfig)
                show_images(quantized)
                quantized.eval()
                quantized = tq.convert(quantized)
                return quantized
            """,
        ),
        right(
            "in one name",
            (
                FUSE + "    prepared = tq.prepare(model, qconfig)",
                FUSE + "    prepared = tq.prepare(model.eval(), qconfig)",
            ),
            (ANSWER, "return tq.convert(prepared.eval())"),
        ),
        right(
            "copied by prepare and by hand",
            """
            def ptq(model, qconfig, show_images):
                fused = copy.deepcopy(model.cpu())
                fused.train(False)
                fused.fuse_model(False)
                watched = tq.prepare(fused, qconfig)
                show_images(watched)
                with torch.no_grad():
                    return tq.convert(watched)
            """,
        ),
        right(
            "mode restored",
            """
            def ptq(model, qconfig, show_images):
                training = model.training
                model.eval()
                fused = copy.deepcopy(model).cpu()
                model.train(training)
                fused.fuse_model()
                prepared = tq.prepare(fused, qconfig)
                show_images(prepared)
                return tq.convert(prepared)
            """,
        ),
    ),
)
