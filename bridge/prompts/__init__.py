"""What is computed of prompts, without any network, disk or clock.

The file format: ``prompt``, ``file``, ``document``, ``source`` and the YAML modules.
Comparing and merging: ``compare`` says which side moved since what ``agreement`` finds both agreed
on; ``merge`` merges where both did.
Deciding: ``plan`` turns what was observed of a proposal into one plan, ``publication`` what goes
to PromptLayer.
Text of pull requests: ``story`` is what there is to say; ``lead``, ``text`` and ``difference``
say it; ``memory`` is the hidden line that the bridge reads again.

Who calls them is in ``bridge.steps``.
"""
