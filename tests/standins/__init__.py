"""Real HTTP servers on loopback that play Twilio, SendGrid, Shopmonkey, Anthropic and OpenAI.

The official SDKs and our own client talk to them over sockets, from this process or another one (by `.url`).
They enforce the vendor's rules and can be told to fail; see `base.StandIn` for what they share.
"""
