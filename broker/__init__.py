"""The message fabric: envelopes, transports, request/reply, publish/subscribe, faults, tracing tap."""
