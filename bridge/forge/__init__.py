"""The port to the forges, and its adapters.

``forge`` has the port: one repository on one forge, in a dozen calls that every forge serves.
``ensure_pull_request`` opens or updates a pull request through it. Each adapter has a main module
of its own, with modules beside it for its sessions, answers and webhooks. No other package imports
an adapter: ``bridge.wiring`` chooses it. tests/contract holds all of them to the same behaviour.
"""
