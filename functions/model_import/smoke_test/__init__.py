"""One question to the imported model, and the judgement of its answer."""
