"""Implementations of ``custom_qconfig``."""

from autograder.bank import Bank, right, wrong

TABLE = '(("activation", torch.quint8, 0, 255), ("weight", torch.qint8, -127, 127))'
FAKE = "fake = tq.FakeQuantize.with_args(observer=CusQuantObserver, **options)"
CHOICE = "made[name] = fake if is_qat else CusQuantObserver.with_args(**options)"

QCONFIG = Bank(
    "custom_qconfig",
    misconceptions=(
        wrong(
            "activations and weights exchanged",
            "Your activations have the observer of the weights, and the weights that of the activations.",
            (TABLE, '(("weight", torch.quint8, 0, 255), ("activation", torch.qint8, -127, 127))'),
        ),
        wrong(
            "weights to -128",
            "Your weights use -128; their integers go from -127 to 127.",
            ("-127, 127", "-128, 127"),
        ),
        wrong(
            "unsigned weights",
            "Your weights are unsigned; they lie on both sides of zero, so their type is torch.qint8.",
            (TABLE, '(("activation", torch.quint8, 0, 255), ("weight", torch.quint8, 0, 255))'),
        ),
        wrong(
            "signed activations",
            "Your activations are signed; their type is torch.quint8, with integers from 0 to 255.",
            (TABLE, '(("activation", torch.qint8, -127, 127), ("weight", torch.qint8, -127, 127))'),
        ),
        wrong(
            "activations of 7 bits",
            "Your activations go to 127 only; as in the table, their integers go to 255.",
            ("0, 255", "0, 127"),
        ),
        wrong(
            "affine scheme",
            "Your observers are affine; the scheme is torch.per_tensor_symmetric.",
            ("torch.per_tensor_symmetric", "torch.per_tensor_affine"),
        ),
        wrong(
            "fake quantization always",
            "Your QConfig for PTQ rounds while it observes; FakeQuantize is for is_qat only.",
            (CHOICE, "made[name] = fake"),
        ),
        wrong(
            "fake quantization never",
            "Your QConfig for QAT only observes; with is_qat each observer goes inside a FakeQuantize.",
            (CHOICE, "made[name] = CusQuantObserver.with_args(**options)"),
        ),
        wrong(
            "the other way round",
            "Your QConfig has FakeQuantize for PTQ and none for QAT; it is the other way round.",
            (
                "fake if is_qat else CusQuantObserver.with_args(**options)",
                "CusQuantObserver.with_args(**options) if is_qat else fake",
            ),
        ),
        wrong(
            "FakeQuantize with its own observer",
            "Your FakeQuantize has PyTorch's observer; name yours: observer=CusQuantObserver.",
            ("observer=CusQuantObserver, ", ""),
        ),
        wrong(
            "PyTorch's observer for PTQ",
            "Your QConfig for PTQ has PyTorch's observer; it must be CusQuantObserver.",
            ("else CusQuantObserver.with_args", "else tq.MinMaxObserver.with_args"),
        ),
        wrong(
            "observers in place of makers",
            "Your QConfig holds observers; it must hold makers, so that each layer gets its own: use with_args.",
            ("CusQuantObserver.with_args(**options)", "CusQuantObserver(**options)"),
            (
                "tq.FakeQuantize.with_args(observer=CusQuantObserver, **options)",
                "tq.FakeQuantize(observer=CusQuantObserver, **options)",
            ),
        ),
    ),
    alternatives=(
        right(
            "written out",
            """
            def custom_qconfig(is_qat=False):
                if is_qat:
                    return tq.QConfig(
                        activation=tq.FakeQuantize.with_args(
                            observer=CusQuantObserver, quant_min=0, quant_max=255,
                            dtype=torch.quint8, qscheme=torch.per_tensor_symmetric,
                        ),
                        weight=tq.FakeQuantize.with_args(
                            observer=CusQuantObserver, quant_min=-127, quant_max=127,
                            dtype=torch.qint8, qscheme=torch.per_tensor_symmetric,
                        ),
                    )
                return tq.QConfig(
                    activation=CusQuantObserver.with_args(
                        dtype=torch.quint8, qscheme=torch.per_tensor_symmetric, quant_min=0, quant_max=255
                    ),
                    weight=CusQuantObserver.with_args(
                        dtype=torch.qint8, qscheme=torch.per_tensor_symmetric, quant_min=-127, quant_max=127
                    ),
                )
            """,
        ),
        right(
            "default ends of quint8",
            """
            def custom_qconfig(is_qat=False):
                scheme = {"qscheme": torch.per_tensor_symmetric}
                weight = {"dtype": torch.qint8, "quant_min": -127, "quant_max": 127, **scheme}
                activation = {"dtype": torch.quint8, **scheme}
                makers = [
                    tq.FakeQuantize.with_args(observer=CusQuantObserver, **options)
                    if is_qat
                    else CusQuantObserver.with_args(**options)
                    for options in (activation, weight)
                ]
                return tq.QConfig(*makers)
            """,
        ),
        right(
            "with lambdas",
            """
            def custom_qconfig(is_qat=False):
                def maker(dtype, low, high):
                    options = dict(dtype=dtype, qscheme=torch.per_tensor_symmetric, quant_min=low, quant_max=high)
                    if is_qat:
                        return lambda **more: tq.FakeQuantize(CusQuantObserver, **options, **more)
                    return lambda **more: CusQuantObserver(**options, **more)

                return tq.QConfig(activation=maker(torch.quint8, 0, 255), weight=maker(torch.qint8, -127, 127))
            """,
        ),
        right(
            "maker inside the maker",
            """
            def custom_qconfig(is_qat=False):
                activation = CusQuantObserver.with_args(
                    dtype=torch.quint8, qscheme=torch.per_tensor_symmetric, quant_min=0, quant_max=255
                )
                weight = CusQuantObserver.with_args(
                    dtype=torch.qint8, qscheme=torch.per_tensor_symmetric, quant_min=-127, quant_max=127
                )
                if is_qat:
                    activation = tq.FakeQuantize.with_args(observer=activation)
                    weight = tq.FakeQuantize.with_args(observer=weight)
                return tq.QConfig(activation=activation, weight=weight)
            """,
        ),
    ),
    equivalent={
        "3: activation', torch.quint8, 0, 255), ('weight', torch.qint8, -127, 127 -> "
        "weight', torch.qint8, -127, 127), ('activation', torch.quint8, 0, 255": "both are given by name, in any order",
    },
)
