"""Implementations of ``sensitivity_scan``."""

from autograder.bank import Bank, right, wrong

GRID = "sparsities = np.arange(scan_start, scan_end, scan_step)"
WEIGHTS = "[(name, one) for name, one in model.named_parameters() if one.dim() > 1]"
PRUNE = "fine_grained_prune(parameter, sparsity)"
MEASURE = "row.append(evaluate(model, dataloader))"
RESTORE = "            parameter.copy_(original)\n"
ANSWER = "return sparsities, accuracies"

SCAN = Bank(
    "sensitivity_scan",
    misconceptions=(
        wrong(
            "never put back",
            "Your scan leaves layer after layer pruned; keep a copy of each weight, with clone(), and put it back.",
            (RESTORE, ""),
        ),
        wrong(
            "put back before measuring",
            "Your scan puts the values back before it evaluates, so that it measures the dense model every time.",
            ("            " + MEASURE + "\n" + RESTORE, RESTORE + "            " + MEASURE + "\n"),
        ),
        wrong(
            "end included",
            "Your sparsities include scan_end; np.arange leaves it out.",
            (GRID, "sparsities = np.arange(scan_start, scan_end + scan_step / 2, scan_step)"),
        ),
        wrong(
            "scan from zero",
            "Your sparsities begin at 0; they begin at scan_start.",
            (GRID, "sparsities = np.arange(0, scan_end, scan_step)"),
        ),
        wrong(
            "default sparsities always",
            "Your scan tries 0.4 to 0.9 whatever is asked for; use scan_start, scan_end and scan_step.",
            (GRID, "sparsities = np.arange(0.4, 1.0, 0.1)"),
        ),
        wrong(
            "lists the other way round",
            "Your accuracies have a list for each sparsity; make one for each weight, and in it one number a sparsity.",
            (ANSWER, "return sparsities, [list(column) for column in zip(*accuracies)]"),
        ),
        wrong(
            "one long list",
            "Your accuracies are one long list; make a list for each weight.",
            ("accuracies.append(row)", "accuracies.extend(row)"),
        ),
        wrong(
            "biases and normalizations, too",
            "Your scan prunes parameters with one dimension, too; leave biases and BatchNorm's parameters out.",
            ("if one.dim() > 1", "if one.dim() > 0"),
        ),
        wrong(
            "only convolutions",
            "Your scan leaves the classifier out; its weight has two dimensions and is scanned as well.",
            ("if one.dim() > 1", "if one.dim() > 2"),
        ),
        wrong(
            "all weights at once",
            "Your scan prunes all weights at once; prune one at a time, the others stay dense.",
            (
                PRUNE,
                "everything = [(one, one.clone()) for one in model.parameters() if one.dim() > 1]\n"
                "            for one, _ in everything:\n                fine_grained_prune(one, sparsity)",
            ),
            (RESTORE, "            for one, before in everything:\n                one.copy_(before)\n"),
        ),
        wrong(
            "errors in place of accuracies",
            "Your scan reports how many per cent are wrong; report the accuracy.",
            ("evaluate(model, dataloader)", "100 - evaluate(model, dataloader)"),
        ),
        wrong(
            "share that stays",
            "Your scan prunes to one minus the sparsity; a sparsity is the share of zeros.",
            (PRUNE, "fine_grained_prune(parameter, 1 - sparsity)"),
        ),
        wrong(
            "loss of accuracy",
            "Your scan reports what each pruning loses; report the accuracy itself.",
            (GRID, GRID + "\n    before = evaluate(model, dataloader)"),
            ("evaluate(model, dataloader))", "before - evaluate(model, dataloader))"),
        ),
        wrong(
            "first batch only",
            "Your scan looks at the first batch only; evaluate goes through the whole dataloader.",
            ("evaluate(model, dataloader)", "evaluate(model, [next(iter(dataloader))])"),
        ),
        wrong(
            "swapped",
            "Your function returns the accuracies first; return the sparsities, then the accuracies.",
            (ANSWER, "return accuracies, sparsities"),
        ),
        wrong(
            "only the accuracies",
            "Your function returns one of two values; return the sparsities and the accuracies.",
            (ANSWER, "return accuracies"),
        ),
    ),
    alternatives=(
        right(
            "put back after each weight",
            """
            @torch.no_grad()
            def sensitivity_scan(model, dataloader, scan_step=0.1, scan_start=0.4, scan_end=1.0, verbose=True):
                sparsities = np.arange(start=scan_start, stop=scan_end, step=scan_step)
                accuracies = []
                for name, param in model.named_parameters():
                    if param.dim() == 1:
                        continue
                    param_clone = param.detach().clone()
                    accuracy = []
                    for sparsity in sparsities:
                        fine_grained_prune(param.detach(), sparsity=sparsity)
                        accuracy.append(evaluate(model, dataloader))
                    param.copy_(param_clone)
                    accuracies.append(accuracy)
                return sparsities, accuracies
            """,
        ),
        right(
            "a copy of the model each time",
            """
            def sensitivity_scan(model, dataloader, scan_step=0.1, scan_start=0.4, scan_end=1.0, verbose=True):
                sparsities = np.arange(scan_start, scan_end, scan_step)
                names = [name for name, parameter in model.named_parameters() if parameter.ndim >= 2]
                accuracies = np.zeros((len(names), len(sparsities)))
                for row, name in enumerate(names):
                    for column, sparsity in enumerate(sparsities):
                        pruned = copy.deepcopy(model)
                        fine_grained_prune(pruned.get_parameter(name).data, float(sparsity))
                        accuracies[row, column] = evaluate(pruned, dataloader)
                return sparsities, accuracies
            """,
        ),
        right(
            "accuracy counted by hand",
            """
            @torch.inference_mode()
            def sensitivity_scan(model, dataloader, scan_step=0.1, scan_start=0.4, scan_end=1.0, verbose=True):
                sparsities = torch.arange(scan_start, scan_end, scan_step, dtype=torch.float64).numpy()
                accuracies = []
                for parameter in filter(lambda one: one.dim() > 1, model.parameters()):
                    saved = parameter.data
                    accuracies.append([])
                    for sparsity in sparsities:
                        parameter.data = saved.clone()
                        fine_grained_prune(parameter.data, sparsity)
                        hits = [(model(x).argmax(1) == y).tolist() for x, y in dataloader]
                        hits = sum(hits, [])
                        accuracies[-1].append(100.0 * sum(hits) / len(hits))
                    parameter.data = saved
                return sparsities, accuracies
            """,
        ),
        right(
            "state dict, sparsities as a list",
            """
            def sensitivity_scan(model, dataloader, scan_step=0.1, scan_start=0.4, scan_end=1.0, verbose=True):
                sparsities = [float(s) for s in np.arange(scan_start, scan_end, scan_step)]
                state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
                accuracies = []
                for name in dict(model.named_parameters()):
                    if state[name].dim() < 2:
                        continue
                    found = []
                    for sparsity in sparsities:
                        changed = dict(state)
                        changed[name] = state[name] * fine_grained_prune(state[name].clone(), sparsity)
                        model.load_state_dict(changed)
                        found.append(evaluate(model, dataloader))
                    accuracies.append(found)
                model.load_state_dict(state)
                return sparsities, accuracies
            """,
        ),
    ),
    equivalent={
        "12: nothing -> not ": "what is printed is not graded",
        "12: verbose -> False": "what is printed is not graded",
        "13: print(name, row) -> pass": "what is printed is not graded",
        "13: name, row -> row, name": "what is printed is not graded",
    },
)
