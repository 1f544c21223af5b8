"""Implementations of ``find_unit_scales``."""

from autograder.bank import Bank, right, wrong

TEST = 'hasattr(module, "scale") and float(module.scale) == 1.0 and int(module.zero_point) == 0'

UNIT_SCALES = Bank(
    "find_unit_scales",
    misconceptions=(
        wrong(
            "scale only",
            "Your function looks at the scale only; the zero point must be 0 as well.",
            (" and int(module.zero_point) == 0", ""),
        ),
        wrong(
            "zero point only",
            "Your function looks at the zero point only, which is 0 behind every ReLU; the scale must be 1.0 as well.",
            (" and float(module.scale) == 1.0", ""),
        ),
        wrong(
            "either of them",
            "Your function takes modules with scale 1.0 or zero point 0; both must hold.",
            (TEST, 'hasattr(module, "scale") and (float(module.scale) == 1.0 or int(module.zero_point) == 0)'),
        ),
        wrong(
            "top level only",
            "Your function looks at the model's direct parts only; named_modules() gives those inside them, too.",
            ("in model.named_modules():", "in model.named_children():"),
        ),
        wrong(
            "quant forgotten",
            "Your function passes by quant, whose scale is a tensor of one value; float() makes a number of it.",
            ('hasattr(module, "scale")', 'isinstance(getattr(module, "scale", None), float)'),
        ),
        wrong(
            "modules without a scale",
            "Your function takes modules that have no scale at all, such as pooling; look only at those that have one.",
            (TEST, 'float(getattr(module, "scale", 1.0)) == 1.0 and int(getattr(module, "zero_point", 0)) == 0'),
        ),
        wrong(
            "no scale at all",
            "Your function asks every module for its scale; pooling and others have none, so skip those.",
            ('hasattr(module, "scale") and ', ""),
        ),
        wrong(
            "kinds, not names",
            "Your function returns the kinds of modules; return their names, as named_modules() gives them.",
            ("found.append(name)", "found.append(type(module).__name__)"),
        ),
        wrong(
            "last part of the name",
            'Your names lack the path: return "features.0", not "0".',
            ("found.append(name)", 'found.append(name.split(".")[-1])'),
        ),
        wrong(
            "all the others",
            "Your function returns the modules with other scales; return those with scale 1.0 and zero point 0.",
            (TEST, 'hasattr(module, "scale") and not (float(module.scale) == 1.0 and int(module.zero_point) == 0)'),
        ),
        wrong(
            "one text",
            "Your function returns one text; return a list of names.",
            ("    return found", '    return ", ".join(found)'),
        ),
        wrong(
            "sorted",
            "Your names are sorted; leave them in the order of named_modules().",
            ("    return found", "    return sorted(found)"),
        ),
        wrong(
            "how many",
            "Your function returns a number; return the names.",
            ("    return found", "    return len(found)"),
        ),
        wrong(
            "the first one",
            "Your function returns when it has found one module; go on to the end of the loop.",
            ("            found.append(name)\n", "            found.append(name)\n            break\n"),
        ),
        wrong(
            "whole scales",
            "Your function takes every scale that is a whole number; only exactly 1.0 counts.",
            ("float(module.scale) == 1.0", "float(module.scale).is_integer()"),
        ),
        wrong(
            "scale of about 1",
            "Your function takes scales near 1.0; only exactly 1.0 counts.",
            ("float(module.scale) == 1.0", "abs(float(module.scale) - 1.0) < 0.05"),
        ),
    ),
    alternatives=(
        right(
            "one expression",
            """
            def find_unit_scales(model):
                return [
                    name
                    for name, module in model.named_modules()
                    if (getattr(module, "scale", None), getattr(module, "zero_point", None)) == (1.0, 0)
                ]
            """,
        ),
        right(
            "with try",
            """
            def find_unit_scales(model: nn.Module) -> list[str]:
                names = []
                for name, module in model.named_modules():
                    try:
                        scale, zero_point = module.scale, module.zero_point
                    except AttributeError:
                        continue
                    if scale == 1 and zero_point == 0:
                        names.append(name)
                return names
            """,
        ),
        right(
            "by tensors",
            """
            def find_unit_scales(model):
                default = torch.tensor([1.0, 0.0])
                qparams = {
                    name: torch.tensor([float(module.scale), float(module.zero_point)])
                    for name, module in model.named_modules()
                    if hasattr(module, "zero_point")
                }
                return [name for name, pair in qparams.items() if torch.equal(pair, default)]
            """,
        ),
        right(
            "recursion",
            """
            def find_unit_scales(model, prefix=""):
                found = []
                for name, child in model.named_children():
                    if "scale" in dir(child) and float(child.scale) == 1.0 and float(child.zero_point) == 0.0:
                        found.append(prefix + name)
                    found += find_unit_scales(child, prefix + name + ".")
                return found
            """,
        ),
        right(
            "as a tuple",
            """
            def find_unit_scales(network):
                def untouched(module):
                    scale = getattr(module, "scale", None)
                    return scale is not None and not (float(scale) != 1.0 or int(module.zero_point) != 0)

                return tuple(name for name, module in network.named_modules() if untouched(module))
            """,
        ),
    ),
)
