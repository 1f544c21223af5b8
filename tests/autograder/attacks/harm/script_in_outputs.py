from IPython.display import HTML, display
display(HTML("<script>document.title='attacker-was-here'</script><img src=x onerror=alert(1)>"))
def scale_of(tensor, bitwidth):
    raise ValueError("</pre><script>document.title='attacker-was-here'</script><img src=x onerror=alert(1)>")
