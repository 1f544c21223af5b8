"""Implementations of ``quantize_static_model``."""

from autograder.bank import Bank, right, wrong

ENGINE = "    torch.backends.quantized.engine = backend\n"
FUSED = "    fused = tq.fuse_modules(copy.deepcopy(model).eval(), model.fusible_groups())\n"
PREPARED = "    prepared = tq.prepare(fused, tq.get_default_qconfig(backend))\n"
LOOP = "        for images, _ in calibration_loader:\n            prepared(images)\n"
CONVERTED = "    return tq.convert(prepared)"

STATIC = Bank(
    "quantize_static_model",
    misconceptions=(
        wrong(
            "never calibrated",
            "Your observers see no image before the conversion, so all scales are 1.0; calibrate before you convert.",
            (LOOP, "        pass\n"),
        ),
        wrong(
            "first batch only",
            "Your function calibrates with the first batch only; run all batches of the loader.",
            (LOOP, LOOP + "            break\n"),
        ),
        wrong(
            "last batch only",
            "Your function calibrates with the last batch only: the call stands behind the loop; put it into the loop.",
            (
                LOOP,
                "        images = None\n"
                + LOOP.replace("    prepared", "    pass\n        if images is not None:\n            prepared"),
            ),
        ),
        wrong(
            "first image of each batch",
            "Your function calibrates with the first image of each batch; run whole batches.",
            ("prepared(images)", "prepared(images[:1])"),
        ),
        wrong(
            "scaled again",
            "Your function divides the images by 255; the loader gives them as the model wants them.",
            ("prepared(images)", "prepared(images / 255)"),
        ),
        wrong(
            "x86 always",
            'Your function always takes engine and QConfig of "x86"; use the argument backend.',
            (ENGINE, ENGINE.replace("backend\n", '"x86"\n')),
            ("get_default_qconfig(backend)", 'get_default_qconfig("x86")'),
        ),
        wrong(
            "QConfig of x86 always",
            'Your function always takes the QConfig of "x86"; give backend to get_default_qconfig.',
            ("get_default_qconfig(backend)", 'get_default_qconfig("x86")'),
        ),
        wrong(
            "engine not chosen",
            "Your function leaves torch.backends.quantized.engine as it is; set it to backend before you convert.",
            (ENGINE, ""),
        ),
        wrong(
            "not fused",
            "Your function does not fuse layers with their ReLUs; use tq.fuse_modules with the groups of the model.",
            (FUSED, "    fused = copy.deepcopy(model).eval()\n"),
        ),
        wrong(
            "convolutions fused only",
            "Your function fuses the convolutions only; the first linear layer has a ReLU behind it, too.",
            ("model.fusible_groups())", "model.fusible_groups()[:-1])"),
        ),
        wrong(
            "classifier fused only",
            "Your function fuses the classifier only; the convolutions have a ReLU behind them, too.",
            ("model.fusible_groups())", "model.fusible_groups()[-1:])"),
        ),
        wrong(
            "eval mode for the given model",
            "Your function puts the given model into eval mode; copy it first, then call eval() on the copy.",
            ("copy.deepcopy(model).eval()", "copy.deepcopy(model.eval())"),
        ),
        wrong(
            "training mode left",
            "Your copy is still in training mode, in which layers cannot be fused; call eval() on it.",
            ("copy.deepcopy(model).eval()", "copy.deepcopy(model)"),
        ),
        wrong(
            "not converted",
            "Your function returns a model that computes in fp32 still; convert the prepared one and return that.",
            (CONVERTED, "    return prepared"),
        ),
        wrong(
            "in place",
            "Your function quantizes the given model itself; work on a copy, so that the fp32 model is still there.",
            (
                CONVERTED,
                "    converted = tq.convert(prepared)\n"
                "    for part in ('quant', 'features', 'classifier', 'dequant'):\n"
                "        setattr(model, part, getattr(converted, part))\n"
                "    return model",
            ),
        ),
        wrong(
            "dynamic",
            "Your function quantizes dynamically, so the convolutions stay in fp32; prepare, calibrate, convert.",
            (CONVERTED, "    return tq.quantize_dynamic(copy.deepcopy(model).eval(), {nn.Linear})"),
        ),
        wrong(
            "QConfig of Lab 3",
            "Your function has a QConfig of its own; take the backend's, by tq.get_default_qconfig.",
            (
                "tq.get_default_qconfig(backend)",
                "tq.QConfig(\n"
                "    tq.MinMaxObserver.with_args(dtype=torch.quint8, qscheme=torch.per_tensor_symmetric),\n"
                "        tq.MinMaxObserver.with_args(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric),\n"
                "    )",
            ),
        ),
    ),
    alternatives=(
        right(
            "torch's own functions, in place on a copy",
            """
            from torch.ao import quantization

            def quantize_static_model(model, calibration_loader, backend="x86"):
                model = copy.deepcopy(model)
                model.eval()
                torch.backends.quantized.engine = backend
                quantization.fuse_modules(model, model.fusible_groups(), inplace=True)
                model.qconfig = quantization.get_default_qconfig(backend)
                quantization.prepare(model, inplace=True)
                with torch.inference_mode():
                    for images, labels in calibration_loader:
                        model(images)
                quantization.convert(model, inplace=True)
                return model
            """,
        ),
        right(
            "engine chosen last, groups by hand",
            """
            def quantize_static_model(network, loader, engine):
                names = [("features.0", "features.1"), ("features.3", "features.4"), ("features.6", "features.7")]
                twin = copy.deepcopy(network).eval()
                fused = tq.fuse_modules(twin, [*names, ("classifier.0", "classifier.1")])
                observed = tq.prepare(fused, tq.get_default_qconfig(engine)).eval()
                for batch in loader:
                    observed(batch[0].cpu())
                torch.backends.quantized.engine = engine
                return tq.convert(observed)
            """,
        ),
        right(
            "calibrated by evaluate",
            """
            def quantize_static_model(model, calibration_loader, backend="x86"):
                torch.backends.quantized.engine = backend
                qconfig = tq.get_default_qconfig(backend)
                prepared = tq.prepare(tq.fuse_modules(copy.deepcopy(model).eval(), model.fusible_groups()), qconfig)
                batches = list(calibration_loader)
                if batches:
                    evaluate(prepared, batches)
                return tq.convert(prepared)
            """,
        ),
        right(
            "a helper that calibrates",
            """
            @torch.no_grad()
            def calibrate(network, loader):
                network.eval()
                for images, _labels in loader:
                    _ = network(images)
                return network

            def quantize_static_model(model, calibration_loader, backend: str = "x86"):
                torch.backends.quantized.engine = backend
                twin = copy.deepcopy(model).cpu()
                twin.eval()
                twin = tq.fuse_modules(twin, twin.fusible_groups())
                return tq.convert(calibrate(tq.prepare(twin, tq.get_default_qconfig(backend)), calibration_loader))
            """,
        ),
        right(
            "by an iterator",
            """
            def quantize_static_model(model, calibration_loader, backend="x86"):
                setattr(torch.backends.quantized, "engine", backend)
                fused = copy.deepcopy(model).eval()
                for group in model.fusible_groups():
                    fused = tq.fuse_modules(fused, [group])
                prepared, batches = tq.prepare(fused, tq.get_default_qconfig(backend)), iter(calibration_loader)
                while (batch := next(batches, None)) is not None:
                    prepared(batch[0])
                return tq.convert(prepared)
            """,
        ),
    ),
)
