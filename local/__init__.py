"""AWS, Bedrock and the Hub on one machine, as far as this project uses them."""

import sys
from pathlib import Path

# The folder `functions` is the import root in the Lambda zip and in the image, so also here.
sys.path.insert(0, str(Path(__file__).parent.parent / "functions"))
