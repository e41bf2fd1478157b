"""What is computed of prompts, without any network, disk or clock.

The file format: ``prompt``, ``file_format.prompt_file``, ``file_format.document``,
``file_format.source_text`` and the YAML modules. Comparing and merging: ``planning.drift`` says
which side moved since what ``agreement`` finds both agreed on; ``planning.three_way_merge`` merges
where both did. Deciding: ``planning.plan`` turns what was observed of a proposal into one plan,
``planning.publication`` what goes to PromptLayer. Text of pull requests:
``pull_request.proposal_summary`` is what there is to say; ``pull_request.headline``,
``pull_request.commit_message`` and ``pull_request.prompt_diff`` say it; ``pull_request.metadata``
is the hidden line that the bridge reads again.

Who calls them is in ``bridge.reconcile``.
"""
