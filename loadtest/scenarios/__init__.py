"""One file for each scenario of `hugmood loadtest`: it is found by being here."""
