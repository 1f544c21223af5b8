"""Implementations of ``quantize_dynamic_model``."""

from autograder.bank import Bank, right, wrong

CALL = "tq.quantize_dynamic(copy.deepcopy(model).eval(), {nn.Linear})"

DYNAMIC = Bank(
    "quantize_dynamic_model",
    misconceptions=(
        wrong(
            "in place",
            "Your function quantizes the given model itself; quantize a copy, so that the fp32 model is still there.",
            """
            def quantize_dynamic_model(model):
                quantized = quantize_dynamic_model_of_copy(model)
                model.classifier = quantized.classifier
                return model


            def quantize_dynamic_model_of_copy(model):
                return tq.quantize_dynamic(model.eval(), {nn.Linear})
            """,
        ),
        wrong(
            "eval mode for the given model",
            "Your function puts the given model into eval mode; copy it first, then call eval() on the copy.",
            ("copy.deepcopy(model).eval()", "model.eval()"),
        ),
        wrong(
            "convolutions only",
            "Your model has no integer layer: dynamic quantization leaves convolutions as they are; name nn.Linear.",
            ("{nn.Linear}", "{nn.Conv2d}"),
        ),
        wrong(
            "float16",
            "Your weights are rounded to float16, two bytes each; they should be int8.",
            ("{nn.Linear})", "{nn.Linear}, dtype=torch.float16)"),
        ),
        wrong(
            "first linear layer only",
            "Your function quantizes the first linear layer only; give the type nn.Linear, which names both.",
            ("{nn.Linear}", '{"classifier.0"}'),
        ),
        wrong(
            "fused first",
            "Your function leaves out the first linear layer; once it is fused with its ReLU it is no nn.Linear.",
            (
                CALL,
                "tq.quantize_dynamic(\n"
                "        tq.fuse_modules(copy.deepcopy(model).eval(), model.fusible_groups()), {nn.Linear}\n"
                "    )",
            ),
        ),
        wrong(
            "static",
            "Your function quantizes statically, convolutions too and without calibration; use tq.quantize_dynamic.",
            (CALL, 'tq.convert(tq.prepare(copy.deepcopy(model).eval(), tq.get_default_qconfig("x86")))'),
        ),
        wrong(
            "classifier only",
            "Your function returns the classifier only; give the whole model to quantize_dynamic.",
            (CALL, "tq.quantize_dynamic(copy.deepcopy(model.classifier).eval(), {nn.Linear})"),
        ),
        wrong(
            "returns the state dict",
            "Your function returns a state dict; return the quantized model.",
            (CALL, CALL + ".state_dict()"),
        ),
    ),
    alternatives=(
        right(
            "without a copy of one's own",
            """
            def quantize_dynamic_model(model):
                return tq.quantize_dynamic(model, {nn.Linear}, torch.qint8)  # which calls eval() on its copy
            """,
        ),
        right(
            "convolutions named in vain",
            """
            def quantize_dynamic_model(model):
                twin = copy.deepcopy(model)
                twin.eval()
                quantized = tq.quantize_dynamic(twin, layers={nn.Linear, nn.Conv2d}, dtype=torch.qint8)
                return quantized
            """,
        ),
        right(
            "torch's own function",
            """
            from torch.ao.quantization import quantize_dynamic

            def quantize_dynamic_model(network):
                quantized = quantize_dynamic(network, {torch.nn.Linear}, dtype=torch.qint8, inplace=False)
                return quantized.train(False)
            """,
        ),
        right(
            "a copy changed in place",
            """
            def quantize_dynamic_model(model):
                quantized = copy.deepcopy(model).cpu().eval()
                recipe = {nn.Linear: torch.ao.quantization.default_dynamic_qconfig}
                torch.ao.quantization.quantize_dynamic(quantized, recipe, inplace=True)
                return quantized
            """,
        ),
        right(
            "a model filled with the weights",
            """
            def quantize_dynamic_model(model):
                sizes = tuple(model.features[at].out_channels for at in (0, 3, 6))
                twin = LeNet(sizes, model.classifier[0].out_features, model.classifier[2].out_features)
                twin.load_state_dict(model.state_dict())
                names = {name for name, layer in twin.named_modules() if isinstance(layer, nn.Linear)}
                return tq.quantize_dynamic(twin.eval(), names)
            """,
        ),
    ),
)
