"""How long posecli takes, stage by stage, on this machine. Nothing heavy is imported before it is used."""
