"""The gate: may this go, now? One check for every outbound message, at the moment of sending.

Promises in order: never to someone who said stop; never what is no longer true; never twice. The answer is allow,
hold (until when), withhold (it never goes) or drop (something newer made it pointless), always with its reasons.
"""

from channels.gate.decide import decide
from channels.gate.decision import Decision, GateRules, Verdict

__all__ = ["Decision", "GateRules", "Verdict", "decide"]
