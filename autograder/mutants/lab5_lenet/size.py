"""Implementations of ``saved_size_mb``."""

from autograder.bank import Bank, right, wrong

SIZE = Bank(
    "saved_size_mb",
    misconceptions=(
        wrong(
            "MiB",
            "Your size is in MiB, units of 1,048,576 bytes; an MB has 1,000,000.",
            ("/ 1e6", "/ 2**20"),
        ),
        wrong("bytes", "Your size is in bytes; an MB has 1,000,000 of them.", (" / 1e6", "")),
        wrong("kB", "Your size is in kB; divide by 1,000,000, not by 1,000.", ("/ 1e6", "/ 1e3")),
        wrong(
            "megabits",
            "Your size is in bits; a byte has eight of them.",
            ("len(file.getvalue())", "8 * len(file.getvalue())"),
        ),
        wrong(
            "parameters, four bytes each",
            "Your function takes four bytes for each parameter; integer layers have none, and buffers are stored, too.",
            """
            def saved_size_mb(model):
                return sum(parameter.numel() for parameter in model.parameters()) * 4 / 1e6
            """,
        ),
        wrong(
            "bytes of the parameters",
            "Your function counts the bytes of parameters; integer layers have none, and buffers are stored, too.",
            """
            def saved_size_mb(model):
                return sum(one.numel() * one.element_size() for one in model.parameters()) / 1e6
            """,
        ),
        wrong(
            "number of values",
            "Your function counts values; each takes four bytes in fp32.",
            """
            def saved_size_mb(model):
                tensors = [one for one in model.state_dict().values() if isinstance(one, torch.Tensor)]
                return sum(one.numel() for one in tensors) / 1e6
            """,
        ),
        wrong(
            "rest of the file",
            "Your function reads what is left behind the end of the file, which is nothing; use getvalue() or tell().",
            ("file.getvalue()", "file.read()"),
        ),
        wrong(
            "model saved",
            "Your function saves the whole model object; save its state dict, which is what is deployed.",
            ("model.state_dict()", "model"),
        ),
        wrong(
            "bytes of the state dict's tensors",
            "Your function adds up the tensors of the state dict; packed weights are none, and a file has more in it.",
            """
            def saved_size_mb(model):
                tensors = [one for one in model.state_dict().values() if isinstance(one, torch.Tensor)]
                return sum(one.numel() * one.element_size() for one in tensors) / 1e6
            """,
        ),
        wrong(
            "parameters saved",
            "Your function saves a list of parameters; integer layers have none, so save the state dict.",
            ("model.state_dict()", "list(model.parameters())"),
        ),
    ),
    alternatives=(
        right(
            "by the place in the file",
            """
            def saved_size_mb(model: nn.Module) -> float:
                buffer = io.BytesIO()
                torch.save(model.state_dict(), buffer)
                return buffer.tell() / 1_000_000
            """,
        ),
        right(
            "by a file on disk",
            """
            import tempfile

            def saved_size_mb(model):
                with tempfile.TemporaryDirectory() as folder:
                    path = os.path.join(folder, "model.pt")
                    torch.save(model.state_dict(), path)
                    return os.path.getsize(path) / 1e6
            """,
        ),
        right(
            "by the buffer",
            """
            def saved_size_mb(model):
                with io.BytesIO() as file:
                    torch.save(model.state_dict(), f=file)
                    return file.getbuffer().nbytes / 10**6
            """,
        ),
        right(
            "from the end",
            """
            def saved_size_mb(model):
                file = io.BytesIO()
                torch.save(obj=model.state_dict(), f=file)
                file.seek(0)
                size_bytes = len(file.read())
                return size_bytes * 1e-6
            """,
        ),
        right(
            "in bits first",
            """
            def saved_size_mb(model):
                file = io.BytesIO()
                torch.save(model.state_dict(), file)
                size_bits = file.seek(0, io.SEEK_END) * Byte
                return size_bits / Byte / 1000 / 1000
            """,
        ),
    ),
    equivalent={
        "4: 1000000 -> 1000001": "a millionth of the size is less than files of two versions of torch differ by",
        "4: 1000000 -> 999999": "a millionth of the size is less than files of two versions of torch differ by",
    },
)
