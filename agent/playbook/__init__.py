"""The playbook: a dialogue policy made of rules, used behind the Model interface without any network.

It reads the transcript, decides one step and says it in fixed wordings. It keeps no state of its own, so any other
model can take over between two turns and the playbook can take over from any other model.
"""
