"""People who sign in: accounts, roles, passwords, second factors, sessions."""
