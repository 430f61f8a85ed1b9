"""Ground floor: the words of the trade and every decision. Pure and typed: no clock, dice, disk, network or framework."""
