"""AWS, Bedrock and the Hub on one machine, as far as this project uses them."""

import sys
from pathlib import Path

# The functions' folder is the root of their imports in a Lambda zip and in the image, so here too.
sys.path.insert(0, str(Path(__file__).parent.parent / "functions"))
