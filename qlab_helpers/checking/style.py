"""The look of what the helpers display in a notebook: light and dark, without scripts and without loading anything."""

LIGHT = "--ink: #1a1a1a; --back: #ffffff; --line: #b9bec5; --good: #1b7f3b; --bad: #b3261e;"
DARK = "--ink: #e6e6e6; --back: #16181c; --line: #555b63; --good: #5fce86; --bad: #ff8a80;"
#: Colab names its theme on the page; elsewhere the system's counts, where the front end gives no colours of its own.
PALETTES = f"""
.qlab-check {{ {LIGHT} }}
@media (prefers-color-scheme: dark) {{ .qlab-check {{ {DARK} }} }}
[theme=light] .qlab-check {{ {LIGHT} }}
[theme=dark] .qlab-check {{ {DARK} }}
"""
#: JupyterLab's colours where it gives them, VS Code's, else our own; what is soft lets the background through.
RULES = """\
.qlab-check { --soft: rgba(128, 128, 128, 0.15); }
.qlab-check { color: var(--jp-content-font-color1, var(--vscode-editor-foreground, var(--ink)));
 background: var(--jp-layout-color1, var(--vscode-editor-background, var(--back)));
 font: 14px/1.45 system-ui, sans-serif; padding: 8px 12px; max-width: 60em;
 border: 1px solid var(--jp-border-color1, var(--line)); border-left-width: 5px; }
.qlab-check.all { border-left-color: var(--jp-success-color1, var(--good)); }
.qlab-check.some { border-left-color: var(--jp-error-color1, var(--bad)); }
.qlab-check p { margin: 6px 0; }
.qlab-check table { border-collapse: collapse; margin: 6px 0; color: inherit; background: none; font-size: 13px; }
.qlab-check th, .qlab-check td { padding: 2px 8px; text-align: left; background: none; color: inherit;
 border: 1px solid var(--jp-border-color1, var(--line)); white-space: normal; }
.qlab-check caption { text-align: left; font-weight: 600; caption-side: top; color: inherit; padding: 2px 0; }
div.qlab-check table.cases th, div.qlab-check table.cases td { text-align: left !important; }
.qlab-check .cases tbody th { font-weight: 400; }
.qlab-check .numbers th, .qlab-check .numbers td { text-align: right; font-family: monospace; padding: 1px 6px; }
.qlab-check .numbers th { font-weight: 400; background: var(--soft); }
.qlab-check .numbers mark { color: inherit; background: none; font-weight: 700; text-decoration: underline; }
.qlab-check .numbers td.first { outline: 2px solid var(--jp-error-color1, var(--bad)); }
.qlab-check .pair { display: flex; flex-wrap: wrap; gap: 0 24px; overflow-x: auto; }
.qlab-check .diagnosis { padding: 6px 10px; background: var(--soft); }
.qlab-check pre { white-space: pre-wrap; margin: 6px 0; padding: 4px 8px; color: inherit;
 background: var(--soft); }
.qlab-check .so-far { padding-top: 6px; border-top: 1px solid var(--jp-border-color1, var(--line)); }
.qlab-check progress { width: 100%; max-width: 30em; accent-color: var(--jp-success-color1, var(--good)); }
.qlab-check summary { cursor: pointer; }
.qlab-check img { max-width: 100%; background: #ffffff; }
"""


def frame(kind: str, body: str) -> str:
    """A box with its style. ``kind`` is "all" (nothing left to do), "some" (something is) or "note"."""
    return f'<div class="qlab-check {kind}"><style>{PALETTES}{RULES}</style>{body}</div>'
