"""How attempts ended: each outcome guarded by what was read (R8)."""
