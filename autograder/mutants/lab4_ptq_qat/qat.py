"""Implementations of ``qat``."""

from autograder.bank import Bank, right, wrong

COPY = "model = copy.deepcopy(model).train()"
FUSE = "model.fuse_model(is_qat=True)"
PREPARE = "prepared = tq.prepare_qat(model, qconfig).to(device)"
TRAIN = "    fine_tune(prepared)\n"
ANSWER = "return tq.convert(prepared.cpu().eval())"

QAT = Bank(
    "qat",
    misconceptions=(
        wrong(
            "works on the model given",
            "Your function fuses the model that it was given, which is needed again; work on a copy.",
            (COPY, "model = model.train()"),
        ),
        wrong(
            "mode of the model given",
            "Your function puts the model that it was given into training mode; do that with the copy.",
            (COPY, "model = copy.deepcopy(model.train())"),
        ),
        wrong(
            "mode left as it is",
            "Your function prepares in the mode that it finds; QAT wants training mode.",
            (COPY, "model = copy.deepcopy(model)"),
        ),
        wrong(
            "evaluation mode",
            "Your function prepares in evaluation mode, which PyTorch refuses; QAT wants training mode.",
            (COPY, "model = copy.deepcopy(model).eval()"),
        ),
        wrong(
            "fused without is_qat",
            "Your function calls fuse_model() in training mode, where PyTorch refuses to fold norms; QAT fuses with "
            "is_qat=True.",
            (FUSE, "model.fuse_model()"),
        ),
        wrong(
            "prepared copy dropped",
            "Your function drops what tq.prepare_qat returns: that copy rounds, the model itself does not.",
            (PREPARE, "prepared = model\n    tq.prepare_qat(model, qconfig)"),
        ),
        wrong(
            "fused for inference",
            "Your function folds the norms into the weights before it trains; fuse with is_qat=True, in training mode.",
            (COPY, "model = copy.deepcopy(model).eval()"),
            (FUSE, "model.fuse_model()\n    model.train()"),
        ),
        wrong(
            "not fused",
            "Your function does not fuse, so that norms and ReLUs are layers of their own.",
            (f"    {FUSE}\n", ""),
        ),
        wrong(
            "prepared for PTQ",
            "Your function uses tq.prepare, with which weights are never rounded while training; use tq.prepare_qat.",
            ("tq.prepare_qat(", "tq.prepare("),
        ),
        wrong(
            "not trained",
            "Your function never calls fine_tune, so that not even scales are known.",
            (TRAIN, ""),
        ),
        wrong(
            "float model trained",
            "Your function trains the model without rounding; train the prepared one.",
            ("fine_tune(prepared)", "fine_tune(model)"),
        ),
        wrong(
            "trained in evaluation mode",
            "Your function trains in evaluation mode, where the norms do not learn.",
            (TRAIN, "    prepared.eval()\n" + TRAIN),
        ),
        wrong(
            "converted before training",
            "Your function converts first and trains then; what it returns was never trained.",
            (TRAIN, "    converted = tq.convert(copy.deepcopy(prepared).cpu().eval())\n" + TRAIN),
            (ANSWER, "return converted"),
        ),
        wrong(
            "not converted",
            "Your function returns the prepared model, which still computes in floats; convert it.",
            (ANSWER, "return prepared.cpu().eval()"),
        ),
    ),
    alternatives=(
        right(
            "step by step",
            """
            def qat(model, qconfig, fine_tune):
                where = next(model.parameters()).device
                network = copy.deepcopy(model)
                network.train()
                network.fuse_model(True)
                network = tq.prepare_qat(network, qconfig)
                network.to(where)
                network.train()
                fine_tune(network)
                network.eval()
                network.to("cpu")
                return tq.convert(network)
            """,
        ),
        right(
            "on the CPU until it trains",
            """
            def qat(model, qconfig, fine_tune):
                device = model.fc.weight.device
                trained = copy.deepcopy(model).cpu().train()
                trained.fuse_model(is_qat=True)
                trained = tq.prepare_qat(trained, qconfig).to(device).train()
                fine_tune(trained)
                return tq.convert(trained.eval().cpu())
            """,
        ),
        right(
            "mode restored",
            """
            def qat(model, qconfig, fine_tune):
                training = model.training
                prepared = copy.deepcopy(model.train())
                model.train(training)
                prepared.fuse_model(is_qat=True)
                prepared = tq.prepare_qat(prepared, qconfig).to(next(model.parameters()).device)
                fine_tune(prepared)
                with torch.no_grad():
                    return tq.convert(prepared.eval().to("cpu"))
            """,
        ),
        right(
            "device of any tensor",
            ("device = next(model.parameters()).device", "device = next(iter(model.state_dict().values())).device"),
            (PREPARE, "prepared = tq.prepare_qat(model.train(), qconfig)\n    prepared = prepared.to(device)"),
        ),
    ),
    equivalent={
        "2: device = next(model.parameters()).device -> pass": "the notebook's own device is the same CPU",
        "5: .to(device) -> nothing": "on a CPU nothing has to move",
    },
)
