"""The channels that come with the service, and the registry that finds third parties' (R24)."""
