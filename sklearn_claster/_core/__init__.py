"""The method in torch: equations, networks, and how they are learnt."""
