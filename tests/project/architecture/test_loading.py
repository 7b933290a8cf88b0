"""What the server must not load, and what of aiortc it must not use."""

import ast
import subprocess
import sys

from tests.project.architecture.tree import ours
from tests.support.running import ROOT


def test_no_classic_media_path() -> None:
    """Nobody uses aiortc's peer connections, senders, receivers or relays."""
    classic = {"RTCPeerConnection", "RTCRtpSender", "RTCRtpReceiver", "MediaRelay"}
    for module in ours().modules.values():
        names = {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)}
        assert not classic & names, module.file


def test_the_server_never_loads_a_model() -> None:
    """After `import web.app` neither torch nor onnxruntime nor df is in memory."""
    ask = "import sys, web.serve; print(*({'torch', 'onnxruntime', 'df', 'libdf', 'scipy', 'matplotlib'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip() == ""
